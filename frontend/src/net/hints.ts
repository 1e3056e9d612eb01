/** Asks what features without a label promote, so that they have a name, if a provisional one. */
import type { Feature, FeatureKey } from "../state/feature";
import { ownLabels } from "../state/own-labels";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import type { FeatureInfo } from "../wire/model";

/** Of the features at a token, those that may be written large: the first ones of the ranking. */
const LARGE = 5;
/** Promoted tokens that a name has. */
const NAMED_AFTER = 2;
/** Time between two questions, and after one that failed. */
const PAUSE_MS = 500;
const RETRY_MS = 10_000;

export type AskForHint = (source: string, index: number) => Promise<FeatureInfo | null>;

export class Hints {
  /** What is known, of every stream; a feature that the server could not tell of has nothing. */
  private readonly known = new Map<FeatureKey, FeatureInfo | null>();
  private asking = false;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForHint,
  ) {
    follow(() => {
      if (this.next() !== undefined && !this.asking) void this.fetch();
    });
  }

  /** One at a time: another token may be on show meanwhile, and other features large. */
  private async fetch(): Promise<void> {
    this.asking = true;
    for (let one = this.next(); one !== undefined; one = this.next()) {
      const { key, source, id } = one;
      const before = this.known.get(key);
      const info = before === undefined ? await this.ask(source, id) : before;
      this.known.set(key, info);
      if (info) this.store.learn(one, info, wordsOf(info));
      if (before === undefined) await pause(info ? PAUSE_MS : RETRY_MS);
    }
    this.asking = false;
  }

  private next(): Feature | undefined {
    const { backend, presence, strongest } = this.store;
    // Of a hall's phones, none asks: the answers would be the same, and the questions too many.
    if (backend.state !== "ready" || presence?.role === "viewer") return undefined;
    const served = new Set(backend.model.sources.map(({ id }) => id));
    return strongest
      .slice(0, LARGE)
      .map(({ feature }) => feature)
      .find(
        (one) =>
          one.label === null &&
          served.has(one.source) &&
          !ownLabels().has(one.key) &&
          this.lacks(one),
      );
  }

  /** Whether something may still be learned of a feature. */
  private lacks({ key, promoted }: Feature): boolean {
    const info = this.known.get(key);
    return (
      info === undefined || (info !== null && promoted.length === 0 && wordsOf(info).length > 0)
    );
  }
}

/** The first tokens that a feature promotes, as words that differ. */
function wordsOf({ promoted }: FeatureInfo): string[] {
  const words = (promoted ?? []).map(({ token }) => token.trim()).filter((word) => word !== "");
  return [...new Set(words)].slice(0, NAMED_AFTER);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
