/**
 * Where features have found their places, kept by the browser from one visit to the next: a feature
 * stays where it was after a reload, whatever fires first then.
 */
import { createStore, delMany, get, set, update, type UseStore } from "idb-keyval";

/** Features kept of a source, and sources kept; those not seen for longest go first. */
const MOST_FEATURES = 4096;
const MOST_SOURCES = 26;
const SOURCES = "sources";

/** Places in one source, in the order in which they were last needed. */
export interface Chart {
  ids: Uint32Array;
  /** x, height over the source's storey, z of each. */
  spots: Float32Array;
}

/** `chart` with `added` behind what it knows. What has a place keeps it: two windows agree in the end. */
export function joined(chart: Chart | undefined, added: Chart, most = MOST_FEATURES): Chart {
  const spots = new Map<number, Float32Array>();
  const read = ({ ids, spots: from }: Chart): void => {
    ids.forEach((id, i) => {
      const spot = spots.get(id) ?? from.slice(3 * i, 3 * i + 3);
      // Anew, so that it stands behind the others.
      spots.delete(id);
      spots.set(id, spot);
    });
  };
  if (chart) read(chart);
  read(added);
  const kept = [...spots].slice(-most);
  const all = new Float32Array(3 * kept.length);
  kept.forEach(([, spot], i) => {
    all.set(spot, 3 * i);
  });
  return { ids: Uint32Array.from(kept, ([id]) => id), spots: all };
}

/** Puts a source first, and says which ones are too many then. */
export function used(
  sources: readonly string[],
  source: string,
  most = MOST_SOURCES,
): { kept: string[]; dropped: string[] } {
  const all = [source, ...sources.filter((other) => other !== source)];
  return { kept: all.slice(0, most), dropped: all.slice(most) };
}

export class Atlas {
  /** Another form of what is kept gets another name. */
  private readonly store: UseStore = createStore("axon-places-1", "charts");

  /** What is known of a source; nothing where the browser keeps nothing. */
  async load(source: string): Promise<Chart | undefined> {
    try {
      return await get<Chart>(source, this.store);
    } catch {
      return undefined;
    }
  }

  /** Keeps places. A browser that does not let us is no reason to stop. */
  async keep(source: string, added: Chart): Promise<void> {
    try {
      await update<Chart>(source, (chart) => joined(chart, added), this.store);
      const { kept, dropped } = used((await get<string[]>(SOURCES, this.store)) ?? [], source);
      await set(SOURCES, kept, this.store);
      await delMany(dropped, this.store);
    } catch {
      return;
    }
  }
}
