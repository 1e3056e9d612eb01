/** Which model runs, and what of it is shown: its sources, and links by their evidence. */
import { css, hueOf } from "../graph/palette";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h, setText } from "./dom";
import { dotOf } from "./features";
import { SAY } from "../words";

/** The model's name, or a choice where the server has several. */
export function showModel(store: Store, choose: (model: string) => void): void {
  const name = byId("model");
  const choice = byId("model-choice", HTMLSelectElement);
  choice.addEventListener("change", () => choose(choice.value));
  follow(() => {
    if (store.model === null) return;
    const { model, models } = store.model;
    const several = models.length > 1;
    name.hidden = several;
    choice.hidden = !several;
    setText(name, model);
    const options = models.map(({ model: value, ready }) =>
      h("option", { value }, ready ? value : SAY.notReady(value)),
    );
    choice.replaceChildren(...options);
    choice.value = model;
  });
}

/** The slider that hides links with little evidence. */
export function offerLinkFloor(store: Store): void {
  const slider = byId("link-floor", HTMLInputElement);
  slider.addEventListener("input", () => store.look({ links: slider.valueAsNumber / 100 }));
  follow(() => {
    const percent = Math.round(100 * store.linkFloor);
    if (slider.valueAsNumber !== percent) slider.valueAsNumber = percent;
    const text = percent === 0 ? SAY.allLinks : SAY.someLinks(percent);
    slider.setAttribute("aria-valuetext", text);
  });
}

export class SourcesView {
  private readonly field = byId("sources");
  private readonly list = byId("source-list");
  private readonly problem = byId("sources-problem");
  private boxes: HTMLInputElement[] = [];
  /** All sources are off. */
  private none = false;

  constructor(private readonly store: Store) {
    this.list.addEventListener("change", () => this.take());
    follow(this.draw);
    follow(() => this.check());
  }

  showProblem(message: string): void {
    this.problem.textContent = message;
    this.problem.hidden = false;
  }

  clearProblem(): void {
    this.problem.hidden = true;
  }

  private readonly draw = (): void => {
    const ids = this.store.sourceIds();
    this.field.hidden = ids.length === 0;
    this.list.replaceChildren(...ids.map((id, place) => this.row(id, place, ids.length)));
    this.boxes = [...this.list.querySelectorAll("input")];
    untracked(() => this.check());
  };

  /** Sets the boxes: the address or a chip can change what is shown, too. */
  private check(): void {
    const { boxes } = this;
    const { hidden } = this.store;
    for (const box of boxes) box.checked = !hidden.has(box.value);
    const none = boxes.length > 0 && !boxes.some((box) => box.checked);
    if (none === this.none) return;
    this.none = none;
    if (none) this.showProblem(SAY.nothingShown);
    else this.clearProblem();
  }

  private row(id: string, place: number, count: number): HTMLElement {
    const box = h("input", { type: "checkbox", value: id });
    const dot = dotOf(css(hueOf(place, count)));
    const info = this.store.sourceInfo(id);
    const title = info ? SAY.sourceFacts(info.hook, info.width, info.architecture) : id;
    const layer = info ? h("span", { class: "quiet" }, SAY.layer(info.layer)) : null;
    return h(
      "label",
      { class: "source", title },
      box,
      dot,
      h("span", { class: "name", dir: "auto" }, id),
      layer,
    );
  }

  private take(): void {
    const shown = this.boxes.filter((box) => box.checked).map((box) => box.value);
    this.clearProblem();
    this.store.look({ sources: shown.length === this.boxes.length ? null : shown });
  }
}
