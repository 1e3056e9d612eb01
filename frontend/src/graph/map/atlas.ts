/**
 * Keeps the features' places in the browser from one visit to the next: after a reload a feature is
 * where it was, whichever fires first.
 */
import { createStore, delMany, get, update, type UseStore } from "idb-keyval";

/** Features kept per source, and sources kept; the least recently used go first. */
const MOST_FEATURES = 4096;
const MOST_SOURCES = 26;
const SOURCES = "sources";

/** Places in one source, the least recently used first. */
export interface Chart {
  ids: Uint32Array;
  /** x, height above the source's storey, z of each. */
  spots: Float32Array;
}

/** `chart` with `added` at its end. A known feature keeps its place, so that two windows agree. */
export function joined(chart: Chart | undefined, added: Chart, most = MOST_FEATURES): Chart {
  const spots = new Map<number, Float32Array>();
  const read = ({ ids, spots: from }: Chart): void => {
    ids.forEach((id, i) => {
      const spot = spots.get(id) ?? from.slice(3 * i, 3 * i + 3);
      // Inserted again, so that it moves to the end.
      spots.delete(id);
      spots.set(id, spot);
    });
  };
  if (chart) read(chart);
  read(added);
  const kept = [...spots].slice(-most);
  const all = new Float32Array(3 * kept.length);
  kept.forEach(([, spot], i) => all.set(spot, 3 * i));
  return { ids: Uint32Array.from(kept, ([id]) => id), spots: all };
}

/** Puts a source first, and returns those beyond `most` as dropped. */
export function used(
  sources: readonly string[],
  source: string,
  most = MOST_SOURCES,
): { kept: string[]; dropped: string[] } {
  const all = [source, ...sources.filter((other) => other !== source)];
  return { kept: all.slice(0, most), dropped: all.slice(most) };
}

export class Atlas {
  /** Another format of what is stored needs another name. */
  private readonly store: UseStore = createStore("axon-places-1", "charts");

  /** The stored places of a source; undefined if there are none or storage is not available. */
  async load(source: string): Promise<Chart | undefined> {
    try {
      return await get<Chart>(source, this.store);
    } catch {
      return undefined;
    }
  }

  /** Stores places. Does nothing if storage is not available. */
  async keep(source: string, added: Chart): Promise<void> {
    try {
      await update<Chart>(source, (chart) => joined(chart, added), this.store);
      let old: string[] = [];
      await update<string[]>(
        SOURCES,
        (sources = []) => {
          const { kept, dropped } = used(sources, source);
          old = dropped;
          return kept;
        },
        this.store,
      );
      await delMany(old, this.store);
    } catch {
      return;
    }
  }
}
