/**
 * Fetches the densities of the features seen, but only while a filter needs them. What every page
 * needs comes in the frames, so that a hall of viewers sends no queries.
 */
import type { Feature } from "../session/state";
import type { Store } from "../session/store";
import type { FeatureFacts } from "../wire/model";

/** Features per query. */
const AT_ONCE = 256;
/** Time between two queries. */
const PAUSE_MS = 500;

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
    store.subscribe(() => {
      if (!this.asking && this.next().length > 0) void this.fetch();
    });
  }

  /** Whether a filter needs densities. */
  private wanted(): boolean {
    return this.store.filters.some(({ kind }) => kind === "density");
  }

  /** Asks source by source, until every feature has been asked about. */
  private async fetch(): Promise<void> {
    this.asking = true;
    for (let some = this.next(); some.length > 0; some = this.next()) {
      for (const feature of some) this.asked.add(feature);
      const source = some[0]?.source ?? "";
      const found = await this.ask(
        source,
        some.map(({ id }) => id),
      );
      for (const feature of some) tell(feature, found?.get(feature.id));
      this.store.learned();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.asking = false;
  }

  private next(): Feature[] {
    if (!this.wanted()) return [];
    const unknown = this.store.session.features.filter(
      (feature) => feature.density === null && !this.asked.has(feature),
    );
    return unknown.filter(({ source }) => source === unknown[0]?.source).slice(0, AT_ONCE);
  }
}

function tell(feature: Feature, facts: FeatureFacts | undefined): void {
  feature.density ??= facts?.density ?? null;
  feature.knownMax ??= facts?.max_activation ?? null;
}
