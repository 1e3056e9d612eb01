/**
 * Where each feature is: on the map, if there is one; else where the layout puts it, to whose worker
 * new features are sent.
 */
import type { Feature } from "../../state/feature";
import { grown } from "../../state/arrays";
import type { FeatureMap } from "../../state/map";
import type { Session } from "../../state/session";
import type { Tie } from "./layout";
import type { PlaceReply, PlaceRequest } from "./layout.worker";

/** Height between two sources' storeys, and the most of all together, in world units. */
const STOREY = 44;
const TALLEST = 320;
/** Most newcomers placed at once, so that the first lights do not wait for the last. */
const MOST_AT_ONCE = 400;
/** After a failure of the worker, another one takes over in this time. */
const RETRY_MS = 2000;
/** Time in which features glide to their places on a map that has just come. */
const GLIDE_MS = 1400;

export class Placing {
  /** x, y, z by feature number. */
  places = new Float32Array(3 * 512);
  private placed = new Uint8Array(512);
  /** How many have a place. */
  count = 0;
  private map: FeatureMap | null = null;
  /** Of the features placed on the map: their numbers there, and the other way round. */
  private readonly numbers: number[] = [];
  private readonly met = new Map<number, number>();
  private glide: Glide | null = null;
  private worker: Worker | null = null;
  private asked = 0;
  private busy = false;
  private retry: ReturnType<typeof setTimeout> | undefined;

  /** `onPlaced` gets the newly placed; none of them when it is to ask anew. */
  constructor(private readonly onPlaced: (indices: readonly number[]) => void) {}

  /** Takes places from this map from now on; with null, the layout finds them, from the beginning. */
  use(map: FeatureMap | null, session: Session, now: number): void {
    const from = this.places.slice();
    const before = this.placed.slice();
    this.begin();
    this.map = map;
    if (map === null) return;
    this.settle(session, map);
    const moves = session.features.filter(({ index }) => before[index] === 1);
    if (moves.length === 0) return;
    const to = this.places.slice();
    this.glide = { from: to.slice(), to, start: now };
    for (const { index } of moves)
      this.glide.from.set(from.subarray(3 * index, 3 * index + 3), 3 * index);
  }

  /** Moves what glides; false if nothing does. `still` ends that at once. */
  step(now: number, still: boolean): boolean {
    const { glide, places } = this;
    if (glide === null) return false;
    const t = still ? 1 : Math.min(1, (now - glide.start) / GLIDE_MS);
    const eased = t * t * (3 - 2 * t);
    for (let i = 0; i < places.length; i += 1) {
      const [from = 0, to = 0] = [glide.from[i], glide.to[i]];
      places[i] = from + (to - from) * eased;
    }
    if (t >= 1) this.glide = null;
    return true;
  }

  /** Where a feature is, fired or not; null if nobody knows. */
  placeOf(feature: Feature): [x: number, y: number, z: number] | null {
    const { index, source, id } = feature;
    if (this.has(index)) {
      const [x = 0, y = 0, z = 0] = this.places.subarray(3 * index, 3 * index + 3);
      return [x, y, z];
    }
    const number = this.map?.numberOf(source, id) ?? -1;
    return this.map && number >= 0 ? this.map.placeOf(number) : null;
  }

  /** The feature that has fired here and has this number on the map; -1 for none. */
  indexOf(number: number): number {
    return this.met.get(number) ?? -1;
  }

  /** A feature's number on the map; -1 without one. */
  numberOf(index: number): number {
    return this.numbers[index] ?? -1;
  }

  has(index: number): boolean {
    return this.placed[index] === 1;
  }

  /** Asks for places for features that have none yet. */
  request(session: Session, sources: readonly string[]): void {
    if (this.map) {
      this.settle(session, this.map);
      return;
    }
    if (this.busy) return;
    const fresh = session.features.slice(this.asked, this.asked + MOST_AT_ONCE);
    if (fresh.length === 0) return;
    this.asked += fresh.length;
    this.busy = true;
    const request: PlaceRequest = {
      newcomers: fresh.map((feature) => ({
        index: feature.index,
        source: feature.source,
        id: feature.id,
        level: levelOf(feature, sources),
      })),
      ties: tiesOf(session, fresh[0]?.index ?? 0),
    };
    this.worker ??= this.listen(spawn());
    this.worker.postMessage(request);
  }

  /** Looks up the places of features that have none yet. */
  private settle(session: Session, map: FeatureMap): void {
    const fresh = session.features.slice(this.asked);
    if (fresh.length === 0) return;
    this.asked += fresh.length;
    const positions = fresh.flatMap(({ index, source, id }) => {
      const number = map.numberOf(source, id);
      this.numbers[index] = number;
      this.met.set(number, index);
      return number < 0 ? [0, 0, 0] : map.placeOf(number);
    });
    const indices = fresh.map(({ index }) => index);
    this.keep({ indices, positions: Float32Array.from(positions) });
    this.onPlaced(indices);
  }

  /** Forgets all places, for another session or other storeys. */
  restart(): void {
    if (this.asked > 0) this.begin();
  }

  private begin(): void {
    clearTimeout(this.retry);
    this.worker?.terminate();
    this.worker = null;
    this.glide = null;
    this.placed.fill(0);
    this.met.clear();
    this.numbers.length = 0;
    this.count = 0;
    this.asked = 0;
    this.busy = false;
  }

  private listen(worker: Worker): Worker {
    worker.onmessage = ({ data }: MessageEvent<PlaceReply>) => {
      this.busy = false;
      this.keep(data);
      this.onPlaced(data.indices);
    };
    worker.onerror = () => {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => {
        this.begin();
        this.onPlaced([]);
      }, RETRY_MS);
    };
    return worker;
  }

  private keep({ indices, positions }: PlaceReply): void {
    const count = Math.max(...indices) + 1;
    this.places = grown(this.places, 3 * count);
    this.placed = grown(this.placed, count);
    const { glide } = this;
    // They do not glide: they have just come.
    const all = glide ? [this.places, grownOf(glide, "from", 3 * count), grownOf(glide, "to", 3 * count)] : [this.places]; // prettier-ignore
    indices.forEach((index, i) => {
      for (const places of all) places.set(positions.subarray(3 * i, 3 * i + 3), 3 * index);
      this.placed[index] = 1;
    });
    this.count += indices.length;
  }
}

interface Glide {
  from: Float32Array;
  to: Float32Array;
  start: number;
}

function grownOf(glide: Glide, side: "from" | "to", size: number): Float32Array {
  return (glide[side] = grown(glide[side], size));
}

function spawn(): Worker {
  return new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" });
}

/** Early layers below, late ones above: the residual stream rises. */
function levelOf(feature: Feature, sources: readonly string[]): number {
  const place = sources.indexOf(feature.source);
  const storey = Math.min(STOREY, TALLEST / (sources.length - 1));
  return place < 0 ? 0 : (place - (sources.length - 1) / 2) * storey;
}

/** Ties of the newcomers to the features they fired with, weighted by evidence. */
function tiesOf(session: Session, first: number): Tie[] {
  return session.links.from(first).map(({ a, b, weight }) => ({ a, b, weight }));
}
