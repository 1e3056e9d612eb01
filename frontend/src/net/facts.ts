/**
 * Fetches the densities of the features seen, but only while a filter needs them. What every page
 * needs comes in the frames, so that a hall of viewers sends no queries.
 */
import { follow } from "../state/signals";
import type { Feature } from "../state/feature";
import type { Store } from "../state/store";
import type { FeatureFacts } from "../wire/model";

/** Features per query. */
const AT_ONCE = 256;
/** Time between two queries, and after one that failed. */
const PAUSE_MS = 500;
const RETRY_MS = 10_000;

const NOTHING: FeatureFacts = { label: null, density: null, max_activation: null };

export type AskForFacts = (
  source: string,
  indices: readonly number[],
) => Promise<Map<number, FeatureFacts> | null>;

export class Facts {
  private readonly asked = new WeakSet<Feature>();
  private asking = false;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFacts,
  ) {
    follow(() => {
      if (!this.asking && this.next().length > 0) void this.fetch();
    });
  }

  /** Whether a filter needs densities. */
  private wanted(): boolean {
    return this.store.filters.some(({ kind }) => kind === "density");
  }

  /** Asks source by source, until there is an answer about every feature. */
  private async fetch(): Promise<void> {
    this.asking = true;
    for (let some = this.next(); some.length > 0; some = this.next()) {
      const source = some[0]?.source ?? "";
      const found = await this.ask(
        source,
        some.map(({ id }) => id),
      );
      for (const feature of found ? some : []) {
        this.asked.add(feature);
        this.store.learn(feature, found?.get(feature.id) ?? NOTHING);
      }
      await new Promise((resolve) => setTimeout(resolve, found ? PAUSE_MS : RETRY_MS));
    }
    this.asking = false;
  }

  private next(): Feature[] {
    if (!this.wanted()) return [];
    const { session, model } = this.store;
    // The server knows nothing of the sources of another model's recording.
    const sources = new Set(model?.sources.map(({ id }) => id));
    const unknown = session.features.filter(
      (feature) =>
        feature.density === null && sources.has(feature.source) && !this.asked.has(feature),
    );
    return unknown.filter(({ source }) => source === unknown[0]?.source).slice(0, AT_ONCE);
  }
}
