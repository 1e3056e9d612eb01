/** The causes of a word as a tree: under each, what loses activation without it, one source further. */
import type { Store } from "../state/store";
import { type Answer, losses, removalKey, type Why } from "../state/why";
import type { Removal } from "../wire/causes";
import type { Effect } from "../wire/types";
import { type Cause, CauseRow, furtherOn, type Measure } from "./causes";

export class CauseTree {
  /** By the keys of the removals that lead there. */
  private readonly open = new Set<string>();
  private readonly rows = new Map<string, CauseRow>();
  private answer: Answer | null = null;
  private causes: readonly Cause[] = [];
  private by: Measure = "logprob";
  private most = 0;

  constructor(
    private readonly list: HTMLElement,
    private readonly store: Store,
    private readonly why: Why,
    private readonly silence: (removal: Removal) => void,
  ) {}

  clear(): void {
    this.open.clear();
    this.rows.clear();
    this.list.replaceChildren();
  }

  show(effects: readonly Effect[], answer: Answer, by: Measure): void {
    this.answer = answer;
    this.by = by;
    this.most = Math.max(...effects.map((one) => Math.abs(one[by])), 1e-9);
    this.causes = effects.map((effect): Cause => ({
      removal: effect,
      label: effect.label ?? null,
      effect,
      change: null,
    }));
    this.draw();
  }

  private draw(): void {
    if (this.answer) this.fill(this.list, this.causes, "", this.answer);
  }

  /** Draws causes into a list; rows that stay keep their elements, and so the focus. */
  private fill(list: HTMLElement, causes: readonly Cause[], above: string, answer: Answer): void {
    const items = causes.map((cause) => this.rowOf(cause, above, answer).element);
    if (items.length === list.children.length && items.every((one, i) => one === list.children[i]))
      return;
    const { activeElement } = document;
    list.replaceChildren(...items);
    if (activeElement instanceof HTMLElement && list.contains(activeElement)) activeElement.focus();
  }

  private rowOf(cause: Cause, above: string, answer: Answer): CauseRow {
    const { store, by, most } = this;
    const key = removalKey(cause.removal);
    const path = `${above}/${key}`;
    const open = this.open.has(path);
    let row = this.rows.get(path);
    if (row === undefined) {
      const toggle = (): void => this.toggle(path, cause);
      row = new CauseRow(toggle, () => this.silence(cause.removal));
      this.rows.set(path, row);
    }
    row.show(cause, answer, store, { most, by }, open);
    if (!open) return row;
    const step = this.why.steps.get(key);
    row.say(step, store.sourceIds());
    const found = typeof step === "object" && "path" in step ? step.path : null;
    const further = found
      ? losses(found).map((change) => furtherOn(found.source, change, answer))
      : [];
    this.fill(row.further, further, path, answer);
    return row;
  }

  private toggle(path: string, { removal, label }: Cause): void {
    if (!this.open.delete(path)) {
      this.open.add(path);
      this.why.choose(removal, label);
      void this.why.unfold(removal);
    }
    this.draw();
  }
}
