/** Features of the whole model for the text in a field, asked for after a pause in typing. */
import { parseFilter } from "../state/filters";
import { isIndex } from "../state/query";
import type { Store } from "../state/store";
import type { Labelled } from "../wire/model";

/** Time after the last key until the whole model is asked. */
const ASK_MS = 200;

/** Asks for features of a model by their label; null when it cannot be asked. */
export type AskForLabelled = (model: string, label: string) => Promise<Labelled[] | null>;

export class LookUp {
  private found: { text: string; features: readonly Labelled[] } = { text: "", features: [] };
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForLabelled,
    private readonly field: HTMLInputElement,
    private readonly answered: () => void,
  ) {
    field.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => void this.now(), ASK_MS);
    });
  }

  /** What was found for the text in the field. */
  get features(): readonly Labelled[] {
    return this.text === this.found.text ? this.found.features : [];
  }

  /** Whether the text is to be looked up, without an answer yet. */
  get awaits(): boolean {
    const { text } = this;
    if (this.store.backend.state !== "ready" || text.length < 2) return false;
    return !isIndex(text) && parseFilter(text) === null && text !== this.found.text;
  }

  /** Asks at once. */
  async now(): Promise<void> {
    clearTimeout(this.timer);
    const { text } = this;
    const { backend } = this.store;
    if (backend.state !== "ready" || !this.awaits) return;
    const features = await this.ask(backend.model.model, text);
    if (features === null || text !== this.text) return;
    this.found = { text, features };
    this.answered();
  }

  private get text(): string {
    return this.field.value.trim();
  }
}
