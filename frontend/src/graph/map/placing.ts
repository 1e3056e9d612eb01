/** The layout's client: sends new features to the worker and keeps the places it answers. */
import type { Feature } from "../../state/feature";
import { grown } from "../../state/arrays";
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

export class Placing {
  /** x, y, z by feature number. */
  places = new Float32Array(3 * 512);
  private placed = new Uint8Array(512);
  /** How many have a place. */
  count = 0;
  private worker = spawn();
  private asked = 0;
  private busy = false;
  private retry: ReturnType<typeof setTimeout> | undefined;

  /** `onPlaced` gets the newly placed; none of them when it is to ask anew. */
  constructor(private readonly onPlaced: (indices: readonly number[]) => void) {
    this.listen();
  }

  has(index: number): boolean {
    return this.placed[index] === 1;
  }

  /** Asks for places for features that have none yet. */
  request(session: Session, sources: readonly string[]): void {
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
    this.worker.postMessage(request);
  }

  /** Forgets all places, for another session or other storeys. */
  restart(): void {
    if (this.asked > 0) this.begin();
  }

  private begin(): void {
    clearTimeout(this.retry);
    this.worker.terminate();
    this.worker = spawn();
    this.listen();
    this.placed.fill(0);
    this.count = 0;
    this.asked = 0;
    this.busy = false;
  }

  private listen(): void {
    this.worker.onmessage = ({ data }: MessageEvent<PlaceReply>) => {
      this.busy = false;
      this.keep(data);
      this.onPlaced(data.indices);
    };
    this.worker.onerror = () => {
      clearTimeout(this.retry);
      this.retry = setTimeout(() => {
        this.begin();
        this.onPlaced([]);
      }, RETRY_MS);
    };
  }

  private keep({ indices, positions }: PlaceReply): void {
    const count = Math.max(...indices) + 1;
    this.places = grown(this.places, 3 * count);
    this.placed = grown(this.placed, count);
    indices.forEach((index, i) => {
      this.places.set(positions.subarray(3 * i, 3 * i + 3), 3 * index);
      this.placed[index] = 1;
    });
    this.count += indices.length;
  }
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
