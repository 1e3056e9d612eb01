/** Which model runs, and which of its sources are shown. */
import { css, hueOf } from "../graph/palette";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h, setText } from "./dom";
import { dotOf } from "./features";

export class ModelView {
  private readonly name = byId("model");
  private readonly choice = byId("model-choice", HTMLSelectElement);
  private drawn = "";

  constructor(
    private readonly store: Store,
    choose: (model: string) => void,
  ) {
    this.choice.addEventListener("change", () => {
      choose(this.choice.value);
    });
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    if (this.store.model === null) return;
    const { model, models } = this.store.model;
    const several = models.length > 1;
    this.name.hidden = several;
    this.choice.hidden = !several;
    setText(this.name, model);
    const signature = JSON.stringify(models);
    if (signature !== this.drawn) {
      this.drawn = signature;
      const options = models.map(({ model: value, ready }) =>
        h("option", { value }, ready ? value : `${value} (not ready)`),
      );
      this.choice.replaceChildren(...options);
    }
    this.choice.value = model;
  }
}

export class SourcesView {
  private readonly field = byId("sources");
  private readonly list = byId("source-list");
  private readonly problem = byId("sources-problem");
  private drawn = "";
  /** All sources are off. */
  private none = false;

  constructor(private readonly store: Store) {
    this.list.addEventListener("change", () => {
      this.take();
    });
    follow(() => {
      this.update();
    });
  }

  showProblem(message: string): void {
    this.problem.textContent = message;
    this.problem.hidden = false;
  }

  clearProblem(): void {
    this.problem.hidden = true;
  }

  private update(): void {
    const ids = this.store.sourceIds();
    this.field.hidden = ids.length === 0;
    // A recording's sources are known before the model's answer describes them.
    const signature = JSON.stringify(ids.map((id) => [id, this.store.sourceInfo(id)]));
    if (signature !== this.drawn) {
      this.drawn = signature;
      this.list.replaceChildren(...ids.map((id, place) => this.row(id, place, ids.length)));
    }
    this.check();
  }

  /** Sets the boxes: the address or a chip can change what is shown, too. */
  private check(): void {
    const boxes = this.boxes();
    for (const box of boxes) box.checked = this.store.shows(box.value);
    const none = boxes.length > 0 && !boxes.some((box) => box.checked);
    if (none === this.none) return;
    this.none = none;
    if (none) this.showProblem("Nothing is shown: tick a source.");
    else this.clearProblem();
  }

  private boxes(): HTMLInputElement[] {
    return [...this.list.querySelectorAll<HTMLInputElement>("input")];
  }

  private row(id: string, place: number, count: number): HTMLElement {
    const box = h("input", { type: "checkbox", value: id });
    const dot = dotOf(css(hueOf(place, count)));
    const info = this.store.sourceInfo(id);
    const title = info ? `${info.hook}: ${info.width} features, ${info.architecture}` : id;
    const layer = info ? h("span", { class: "quiet" }, `layer ${info.layer}`) : null;
    return h(
      "label",
      { class: "source", title },
      box,
      dot,
      h("span", { class: "name" }, id),
      layer,
    );
  }

  private take(): void {
    const boxes = this.boxes();
    const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
    this.clearProblem();
    this.store.look({ hidden: new Set(hidden) });
  }
}
