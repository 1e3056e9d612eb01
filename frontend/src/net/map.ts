/** Fetches the map of the model in use, waits while it is made, and never shows an older one's. */
import { FeatureMap, type Mapping } from "../state/map";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { asNumber, asObject, asString } from "../wire/check";
import { parseMap } from "../wire/map";
import { mapRefused, NO_MAP } from "../words/en";
import { call } from "./server";

/** Time between two questions while the map is made. */
const POLL_MS = 3000;

/** The bytes of a map, or why there are none now. */
export type MapAnswer = ArrayBuffer | Exclude<Mapping, { state: "ready" }>;

/** What `MapWatch` needs from outside; a test passes its own. */
export interface MapServer {
  /** The map with this hash; null for the one that is there. */
  ask(hash: string | null): Promise<MapAnswer>;
  wait(ms: number): Promise<void>;
}

export class MapWatch {
  private wanted: string | null | undefined;

  constructor(
    private readonly store: Store,
    private readonly server: MapServer,
  ) {
    follow(() => {
      const { model, backend } = store;
      // A page that only plays a recording asks for what may be there.
      const map = backend.state === "off" ? { hash: null } : (model?.map ?? undefined);
      const wanted = map?.hash;
      if (wanted === this.wanted) return;
      this.wanted = wanted;
      if (wanted === undefined) untracked(() => this.tell({ state: "none", reason: "" }));
      else void this.fetch(wanted);
    });
  }

  /** Asks until there is an answer; ends when another map is wanted meanwhile. */
  private async fetch(hash: string | null): Promise<void> {
    const { mapping } = this.store;
    if (mapping.state === "ready" && mapping.map.file.hash === hash) return;
    if (mapping.state === "ready") this.tell({ state: "none", reason: "" });
    for (;;) {
      const answer = await this.server.ask(hash);
      if (this.wanted !== hash) return;
      if (answer instanceof ArrayBuffer) {
        this.take(answer, hash);
        return;
      }
      this.tell(answer);
      if (answer.state === "none") return;
      await this.server.wait(POLL_MS);
      if (this.wanted !== hash) return;
    }
  }

  private take(bytes: ArrayBuffer, hash: string | null): void {
    try {
      const file = parseMap(bytes);
      if (hash !== null && file.hash !== hash) throw new Error("it belongs to other weights");
      this.tell({ state: "ready", map: new FeatureMap(file) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.tell({ state: "none", reason: mapRefused(reason) });
    }
  }

  private tell(mapping: Mapping): void {
    this.store.mapping = mapping;
  }
}

/** The gateway that serves this page. */
export const gatewayMap: MapServer = {
  ask: askForMap,
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms * (0.75 + Math.random() / 2))),
};

async function askForMap(hash: string | null): Promise<MapAnswer> {
  try {
    const response = await call(
      hash === null ? "api/map" : `api/map?v=${encodeURIComponent(hash)}`,
    );
    if (response.status === 202) {
      const { stage, done } = asObject(await response.json(), "map");
      return { state: "making", stage: asString(stage, "stage"), done: asNumber(done, "done") };
    }
    if (!response.ok) return { state: "none", reason: "" };
    return await response.arrayBuffer();
  } catch {
    return { state: "none", reason: NO_MAP };
  }
}
