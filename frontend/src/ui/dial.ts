/** The dial on the chosen feature: what to do to it, or which other one to put in place of it. */
import { featureKey } from "../state/feature";
import type { Feature } from "../state/feature";
import { type Hit, search } from "../state/query";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { dosesOf, LEAST_DOSES } from "../state/reach";
import type { Edit } from "../wire/types";
import { sayRefused } from "../words/edits";
import { REACH, TURNS, SAY } from "../words";
import { isBusy, mayGenerate } from "../words/status";
import { h, makeTabStop, roving, setText } from "./dom";
import { type AskForLabelled, LookUp } from "./look-up";

const MOST_HITS = 6;

export class Dial {
  private readonly turns = TURNS.map(({ name, help }) => turnButton(name, help));
  private readonly doses = h(
    "button",
    { type: "button", class: "small", "data-tip": REACH.dosesHelp },
    REACH.doses,
  );
  private readonly replace = turnButton(REACH.replace, REACH.replaceHelp);
  private readonly row = h(
    "div",
    { class: "turns", role: "group", "aria-label": REACH.dial },
    ...this.turns,
    this.replace,
    this.doses,
  );
  private readonly help = h("p", { class: "quiet note", id: "dial-help" });
  private readonly field = h("input", {
    type: "text",
    "aria-label": REACH.find,
    placeholder: REACH.find,
    autocomplete: "off",
    spellcheck: "false",
  });
  private readonly hits = h("div", { role: "listbox", "aria-label": SAY.found });
  private readonly nothing = h("p", { class: "quiet note", role: "status" });
  private readonly finding = h(
    "div",
    { class: "replace", hidden: "" },
    this.field,
    this.hits,
    this.nothing,
  );
  private readonly problem = h("p", { class: "problem", role: "alert", hidden: "" });
  readonly element = h(
    "section",
    { class: "dial", "aria-label": REACH.dial },
    h("h3", {}, REACH.dial),
    this.row,
    this.help,
    this.finding,
    this.problem,
  );
  private feature: Feature | null = null;
  private readonly lookUp: LookUp;

  constructor(
    private readonly store: Store,
    ask: AskForLabelled,
  ) {
    this.lookUp = new LookUp(store, ask, this.field, () => this.draw());
    for (const [i, { scale }] of TURNS.entries()) {
      this.turns[i]?.addEventListener("click", () => {
        this.open(false);
        if (this.feature) store.reach.turn(this.feature, scale === null ? null : { scale });
      });
    }
    this.doses.addEventListener("click", () => {
      const { feature } = this;
      if (feature) store.reach.generate(dosesOf(feature, store.model?.maxBranches ?? 1));
    });
    this.replace.addEventListener("click", () => this.open(this.finding.hidden === true));
    this.field.addEventListener("input", () => this.draw());
    this.field.addEventListener("keydown", (event) => this.press(event));
    roving(this.hits, ({ dataset }) => this.take(Number(dataset.id)));
    follow(this.update);
  }

  private readonly update = (): void => {
    const { store } = this;
    const feature = store.chosen;
    if (feature?.key !== this.feature?.key) this.open(false);
    this.feature = feature;
    const why = this.whyNot(feature);
    this.element.hidden = feature === null || store.backend.state === "off";
    if (feature === null) return;
    const { id, source } = feature;
    const edit = store.reach.edits.find((one) => one.source === source && one.feature === id);
    for (const [i, { scale }] of TURNS.entries()) {
      press(this.turns[i], scale === (edit ? (edit.scale ?? NaN) : null));
    }
    press(this.replace, edit?.swap_with !== undefined);
    const full = edit === undefined && store.reach.full;
    for (const button of [...this.turns, this.replace]) button.disabled = why !== "" || full;
    this.doses.hidden = (store.model?.maxBranches ?? 1) < LEAST_DOSES;
    this.doses.disabled = why !== "" || isBusy(store);
    setText(this.help, why || (full ? REACH.full : helpOf(edit)));
    setText(this.problem, sayRefused(store));
    this.problem.hidden = this.problem.textContent === "";
  };

  /** Why a feature cannot be edited here; empty if it can. */
  private whyNot(feature: Feature | null): string {
    const { store } = this;
    if (!mayGenerate(store)) return REACH.onlyPresenter;
    const there = feature === null || store.model === null || store.sourceInfo(feature.source);
    return there ? "" : REACH.otherModel;
  }

  private open(open: boolean): void {
    this.finding.hidden = !open;
    this.replace.setAttribute("aria-expanded", String(open));
    this.field.value = "";
    this.show([]);
    if (open) this.field.focus();
  }

  private draw(): void {
    const { store, feature, lookUp } = this;
    const text = this.field.value;
    if (feature === null) return;
    const here = (source: string): boolean => source === feature.source;
    const sources = store.model?.sources.filter(({ id }) => here(id)) ?? [];
    const own = lookUp.features.filter(({ source }) => here(source));
    const all = search(store.session, sources, text, Infinity, own);
    this.show(all.filter((hit) => here(hit.source) && hit.id !== feature.id).slice(0, MOST_HITS));
  }

  private show(hits: readonly Hit[]): void {
    const options = hits.map(({ id, label }) => {
      const name = h("span", { class: "name", dir: "auto" }, label ?? SAY.feature(id));
      const attributes = { role: "option", class: "row", tabindex: "-1", "data-id": String(id) };
      const option = h("div", attributes, name, h("span", { class: "quiet" }, `#${id}`));
      if (label !== null) option.dataset.label = label;
      return option;
    });
    this.hits.replaceChildren(...options);
    this.hits.hidden = options.length === 0;
    makeTabStop(this.hits, options[0]);
    const none = hits.length === 0 && this.field.value.trim() !== "";
    setText(this.nothing, none ? REACH.nothingFound : "");
  }

  private press(event: KeyboardEvent): void {
    const first = this.hits.querySelector<HTMLElement>("[role=option]");
    if (event.key === "Escape") {
      // Here it closes the search; elsewhere it clears the choice.
      event.stopPropagation();
      this.open(false);
      this.replace.focus();
    } else if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    } else if (event.key === "Enter" && first) {
      event.preventDefault();
      this.take(Number(first.dataset.id));
    }
  }

  private take(id: number): void {
    const { feature, store } = this;
    if (feature === null) return;
    const option = this.hits.querySelector<HTMLElement>(`[data-id="${id}"]`);
    const label = option?.dataset.label;
    if (label !== undefined) store.learnNames([[featureKey(feature.source, id), label]]);
    store.reach.turn(feature, { swap_with: id });
    this.open(false);
    this.replace.focus();
  }
}

function turnButton(name: string, help: string): HTMLButtonElement {
  const attributes = { type: "button", class: "small", "data-tip": help, "aria-pressed": "false" };
  return h("button", attributes, name);
}

function press(button: HTMLElement | undefined, pressed: boolean): void {
  button?.setAttribute("aria-pressed", String(pressed));
}

/** The help of what is done to the feature. */
function helpOf(edit: Edit | undefined): string {
  if (edit?.swap_with !== undefined) return REACH.replaceHelp;
  const scale = edit ? edit.scale : null;
  return TURNS.find((turn) => turn.scale === scale)?.help ?? "";
}
