import { describe, expect, it, vi } from "vitest";
import { Atlas } from "../src/graph/map/atlas";

const { kept } = vi.hoisted(() => ({ kept: new Map<string, unknown>() }));

/** A store that takes its time, as the browser's does; `update` reads and writes in one step. */
vi.mock("idb-keyval", () => {
  const soon = () => new Promise((resolve) => setTimeout(resolve, 1));
  return {
    createStore: () => undefined,
    get: async (key: string) => {
      await soon();
      return kept.get(key);
    },
    set: async (key: string, value: unknown) => {
      await soon();
      kept.set(key, value);
    },
    update: async (key: string, change: (old: unknown) => unknown) => {
      await soon();
      kept.set(key, change(kept.get(key)));
    },
    delMany: async (keys: string[]) => {
      await soon();
      for (const key of keys) kept.delete(key);
    },
  };
});

function chartOf(...ids: number[]) {
  return { ids: Uint32Array.from(ids), spots: new Float32Array(3 * ids.length) };
}

describe("Atlas", () => {
  it("keeps all sources that are stored at the same time, the last ones first", async () => {
    const atlas = new Atlas();
    const names = ["m/0", "m/1", "m/2"];
    await Promise.all(names.map((name) => atlas.keep(name, chartOf(1))));
    expect(kept.get("sources")).toEqual(["m/2", "m/1", "m/0"]);
    expect((await atlas.load("m/1"))?.ids).toEqual(Uint32Array.of(1));
  });

  it("drops the places of the sources that were used least recently", async () => {
    const atlas = new Atlas();
    for (let i = 0; i < 30; i += 1) await atlas.keep(`n/${i}`, chartOf(1));
    expect(kept.get("sources")).toHaveLength(26);
    expect([kept.has("n/3"), kept.has("n/4")]).toEqual([false, true]);
  });
});
