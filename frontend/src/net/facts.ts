/**
 * Fetches what is known of the features seen: how strong they can get, by which the graph scales their
 * light, and how dense they are. Slowly, since a hall of viewers asks the same; at once while a filter
 * waits for densities.
 */
import type { Feature } from "../session/state";
import type { Store } from "../session/store";
import type { FeatureFacts } from "../wire/model";

/** Features of one question. */
const AT_ONCE = 256;
/** Time between two questions while a filter waits for the answers. */
const PAUSE_MS = 500;
/** Time between two rounds otherwise, on average: viewers are not to ask all at the same moment. */
const ROUND_MS = 10_000;

export type AskForFacts = (
  source: string,
  indices: readonly number[],
) => Promise<Map<number, FeatureFacts> | null>;

export class Facts {
  private readonly asked = new WeakSet<Feature>();
  private asking = false;

  private resting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFacts,
  ) {
    store.subscribe(() => {
      if (this.asking) return;
      if (this.urgent()) void this.fetch();
      else this.rest();
    });
  }

  /** A filter cannot judge without. */
  private urgent(): boolean {
    return this.store.filters.some(({ kind }) => kind === "density");
  }

  private wanted(): boolean {
    const { origin, backend } = this.store;
    return this.urgent() || (origin === "live" && backend.state === "ready");
  }

  /** Asks after a while, when some more features have come together. */
  private rest(): void {
    if (this.resting !== undefined || this.next().length === 0) return;
    const wait = ROUND_MS * (0.5 + Math.random());
    this.resting = setTimeout(() => {
      this.resting = undefined;
      if (!this.asking) void this.fetch();
    }, wait);
  }

  /** One source at a time, as long as there are features that were not asked about. */
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
