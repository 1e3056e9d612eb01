/** The edits beside the prompt: what is done to which feature, when, and whether with a twin. */
import type { AskForFacts } from "../net/backend";
import { editedKey, editText, namedBy } from "../state/edits";
import { featureKey } from "../state/feature";
import { batch, follow } from "../state/signals";
import type { Store } from "../state/store";
import type { Edit } from "../wire/types";
import { sayEdit, sayRefused } from "../words/edits";
import { REACH, SAY } from "../words";
import { isBusy, mayGenerate } from "../words/status";
import { byId, h, setText } from "./dom";
import { keptTwin } from "../state/settings";

export class EditChips {
  private readonly section = byId("edits");
  private readonly chips = byId("edit-chips");
  private readonly when = byId("edits-when");
  private readonly problem = byId("edits-problem");
  private readonly choice = byId("twin-choice");
  private readonly twin = byId("twin", HTMLInputElement);
  private drawn = "";

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFacts,
  ) {
    setText(byId("edits-title"), REACH.edits);
    setText(byId("twin-words"), REACH.twin);
    this.choice.title = REACH.twinHelp;
    store.reach.twin = keptTwin.load() !== "off";
    this.twin.addEventListener("change", () => {
      keptTwin.save(this.twin.checked ? "on" : "off");
      store.reach.twin = this.twin.checked;
    });
    this.chips.addEventListener("click", ({ target }) => this.press(target));
    follow(this.update);
    const asked = new Set<string>();
    follow(() => {
      const edits = [...this.shown()];
      const unnamed = edits.filter((edit) => !asked.has(editText(edit)) && lacksName(store, edit));
      for (const edit of unnamed) asked.add(editText(edit));
      if (store.backend.state === "ready") void this.learn(unnamed);
      else for (const edit of unnamed) asked.delete(editText(edit));
    });
  }

  /** Those wished by who may change them here, else those in force at the token on show. */
  private shown(): readonly Edit[] {
    return this.mayChange ? this.store.reach.edits : this.store.editsInForce;
  }

  private get mayChange(): boolean {
    const { store } = this;
    // Over a recording, its own edits are told until somebody asks for others.
    const ours = store.origin !== "recording" || store.reach.edits.length > 0;
    return ours && store.backend.state !== "off" && mayGenerate(store);
  }

  private readonly update = (): void => {
    const { store, mayChange } = this;
    const edits = this.shown();
    const problem = sayRefused(store);
    this.section.hidden = edits.length === 0 && problem === "";
    setText(this.when, this.sayWhen());
    // With the inspector open, it is said at the dial.
    setText(this.problem, store.chosen ? "" : problem);
    this.problem.hidden = store.chosen !== null || problem === "";
    this.choice.hidden = !mayChange || edits.length === 0;
    this.twin.checked = store.reach.twin;
    const texts = edits.map((edit) => sayEdit(store, edit));
    const signature = JSON.stringify([texts, edits.map(editText), mayChange]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    this.chips.replaceChildren(
      ...edits.map((edit, i) => chipOf(texts[i] ?? "", editedKey(edit), mayChange)),
    );
  };

  private sayWhen(): string {
    const { store } = this;
    if (!this.mayChange) return store.playhead.token ? REACH.inForceHere : REACH.inForce;
    if (!isBusy(store)) return REACH.next;
    return store.reach.inForce ? REACH.inForce : REACH.notYet;
  }

  /** The cross takes an edit away; the name chooses its feature. */
  private press(target: EventTarget | null): void {
    const { store } = this;
    const button = target instanceof Element ? target.closest("button") : null;
    const edit = this.shown().find((one) => editedKey(one) === button?.value);
    if (!button || !edit) return;
    const { source, feature: id } = edit;
    if (button.classList.contains("remove")) {
      store.reach.change(store.reach.edits.filter((one) => one !== edit));
      const next = this.chips.querySelector<HTMLElement>("button");
      (next ?? byId("prompt")).focus();
    } else if (store.session.feature(editedKey(edit))) store.choose(editedKey(edit));
    else store.chooseUnseen(source, id, store.labelOf(featureKey(source, id)));
  }

  /** Asks for the labels of features that have not fired here, as of a link. */
  private async learn(edits: readonly Edit[]): Promise<void> {
    for (const { source, feature, swap_with: other } of edits) {
      const ids = other === undefined ? [feature] : [feature, other];
      const facts = await this.ask(source, ids);
      const names = [...(facts ?? [])].flatMap(([id, { label }]): [string, string][] =>
        label === null ? [] : [[featureKey(source, id), label]],
      );
      batch(() => this.store.learnNames(names));
    }
  }
}

function lacksName(store: Store, edit: Edit): boolean {
  return namedBy([edit]).some((key) => store.labelOf(key) === null);
}

function chipOf(text: string, value: string, removable: boolean): HTMLElement {
  const attributes = { type: "button", class: "name", value, title: text };
  const name = h("button", attributes, text);
  const label = SAY.removeEdit(text);
  const cross = { type: "button", class: "remove", value, title: label, "aria-label": label };
  return h("span", { class: "edit" }, name, removable ? h("button", cross, "×") : null);
}
