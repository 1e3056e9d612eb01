/** Fetches the map of the model in use, waits while it is made, and never shows an older one's. */
import { FeatureMap, type Mapping } from "../state/map";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { asNumber, asObject, asString } from "../wire/check";
import { parseMap } from "../wire/map";
import { mapRefused, NO_MAP, OTHER_WEIGHTS } from "../words";
import { call } from "./server";

/** Time between two questions while the map is made. */
const POLL_MS = 3000;
/** Time after which a map that did not arrive is asked for again. */
const RETRY_MS = 20_000;

/** The bytes of a map, or why there are none now. */
export type MapAnswer = ArrayBuffer | Exclude<Mapping, { state: "ready" }>;

/** A map that is asked for: of which model, and with which hash; null for the one that is there. */
export interface MapWanted {
  model: string | null;
  hash: string | null;
}

/** What `MapWatch` needs from outside; a test passes its own. */
export interface MapServer {
  ask(wanted: MapWanted): Promise<MapAnswer>;
  wait(ms: number): Promise<void>;
}

export class MapWatch {
  private wanted: MapWanted | null = null;

  constructor(
    private readonly store: Store,
    private readonly server: MapServer,
  ) {
    follow(() => {
      const { model, backend } = store;
      // A page that only plays a recording asks for what may be there.
      if (backend.state === "off") this.want({ model: null, hash: null });
      else this.want(model?.map ? { model: model.model, hash: model.map.hash } : null);
    });
  }

  private want(wanted: MapWanted | null): void {
    const same = wanted?.model === this.wanted?.model && wanted?.hash === this.wanted?.hash;
    if (same) return;
    this.wanted = wanted;
    if (wanted === null) this.tell({ state: "none", reason: "" });
    else untracked(() => void this.fetch(wanted));
  }

  /** Asks until there is an answer; ends when another map is wanted meanwhile. */
  private async fetch(wanted: MapWanted): Promise<void> {
    const { mapping } = this.store;
    if (mapping.state === "ready") {
      if (mapping.map.file.hash === wanted.hash) return;
      // One of the same weights, with other names, may stay until the new one is there.
      if (weightsOf(mapping.map.file.hash) !== weightsOf(wanted.hash)) {
        this.tell({ state: "none", reason: "" });
      }
    }
    for (;;) {
      const answer = await this.server.ask(wanted);
      if (this.wanted !== wanted) return;
      if (answer instanceof ArrayBuffer) {
        this.take(answer, wanted.hash);
        return;
      }
      // An older map is not shown beyond this: it may be of other weights.
      this.tell(answer);
      if (answer.state === "none" && answer.reason === "") return;
      await this.server.wait(answer.state === "making" ? POLL_MS : RETRY_MS);
      if (this.wanted !== wanted) return;
    }
  }

  private take(bytes: ArrayBuffer, hash: string | null): void {
    try {
      const file = parseMap(bytes);
      // Names may have changed meanwhile; then its hash is told soon.
      if (hash !== null && weightsOf(file.hash) !== weightsOf(hash)) throw new Error(OTHER_WEIGHTS);
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

/** The part of a map's hash that tells of which weights it is: `WEIGHTS-NAMES`. */
function weightsOf(hash: string | null): string | undefined {
  return hash?.split("-")[0];
}

/** The gateway that serves this page. */
export const gatewayMap: MapServer = {
  ask: askForMap,
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms * (0.75 + Math.random() / 2))),
};

async function askForMap({ model, hash }: MapWanted): Promise<MapAnswer> {
  const query = new URLSearchParams();
  if (model !== null) query.set("model", model);
  if (hash !== null) query.set("v", hash);
  try {
    const response = await call(query.size === 0 ? "api/map" : `api/map?${query.toString()}`);
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
