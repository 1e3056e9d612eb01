/** The map of all features: read, awaited, refused, and asked. */
import { describe, expect, it, vi } from "vitest";
import { type MapAnswer, type MapWanted, MapWatch } from "../src/net/map";
import { footprintOf, ranked } from "../src/state/footprint";
import { FeatureMap } from "../src/state/map";
import { Store } from "../src/state/store";
import { strongestIn } from "../src/ui/map";
import { parseMap } from "../src/wire/map";
import { feature, modelInfo, started, streamed, token } from "./frames";
import { madeMap } from "./maps";

const SMALL = [40, 60, 60];
const SOURCES = ["axon-demo/0-res", "axon-demo/1-res", "axon-demo/2-res"];

function mapOf(widths: readonly number[] = SMALL, hash?: string): FeatureMap {
  return new FeatureMap(parseMap(madeMap(widths, hash).bytes()));
}

describe("a map's file", () => {
  it("is read without a copy", () => {
    const bytes = madeMap(SMALL).bytes();
    const file = parseMap(bytes);
    expect(file.x.buffer).toBe(bytes);
    expect([file.x.length, file.kin.length, file.sources.length]).toEqual([160, 160, 3]);
    expect(file.districts.map(({ name, provisional }) => [name, provisional])).toEqual([
      ["west", false],
      ["east", false],
      ["early", false],
      ["late", true],
    ]);
  });

  const made = madeMap(SMALL);
  const bad: [string, ArrayBuffer, string][] = [
    ["is empty", new ArrayBuffer(0), "cut off"],
    ["ends in its header", made.bytes().slice(0, 40), "cut off"],
    ["ends in a section", made.bytes().slice(0, -200), "cut off"],
    ["is not one", new TextEncoder().encode("\u0004\0\0\0<htm").buffer, "not JSON"],
    ["is of another version", made.bytes((h) => (h.version = 2)), "version 2"],
    ["has a short section", made.bytes((h) => (h.sections.x = [4000, 9])), "x is not as long"],
    ["lacks a section", made.bytes((h) => delete h.sections.kin), "kin is not a list"],
    ["has an odd offset", made.bytes((h) => (h.sections.x = [1001, 160])), "wrong place"],
    ["counts sources wrongly", made.bytes((h) => (h.sources as { first: number }[]).forEach((s) => (s.first += 1))), "wrong feature"], // prettier-ignore
    [
      "names too few districts",
      made.bytes((h) => (h.districts = [])),
      "district that is not there",
    ],
    ["has kin beyond its end", madeKin(), "kin that is not there"],
  ];
  it.each(bad)("is refused if it %s", (_, bytes, reason) => {
    expect(() => parseMap(bytes)).toThrow(reason);
  });

  function madeKin(): ArrayBuffer {
    const bytes = madeMap(SMALL).bytes();
    parseMap(bytes).kin[3] = 160;
    return bytes;
  }
});

describe("the map", () => {
  const map = mapOf();

  it("numbers features through all sources, and back", () => {
    expect(map.numberOf("axon-demo/1-res", 5)).toBe(45);
    expect(map.keyOf(45)).toBe("axon-demo/1-res/5");
    expect([map.numberOf("axon-demo/1-res", 60), map.numberOf("other/1", 0)]).toEqual([-1, -1]);
    expect(map.covers(SOURCES)).toBe(true);
    expect([map.covers([...SOURCES, "other/1"]), map.covers([])]).toEqual([false, false]);
  });

  it("puts kin in one column, through all storeys", () => {
    expect(map.columnOf(45)).toEqual([5, 45, 105]);
    expect(map.columnOf(40 + 50)).toEqual([90, 150]);
    const [low, middle, high] = map.columnOf(45).map((number) => map.placeOf(number));
    expect([low?.[0], low?.[2]]).toEqual([high?.[0], high?.[2]]);
    expect((high?.[1] ?? 0) - (middle?.[1] ?? 0)).toBeCloseTo(map.rise);
  });

  it("finds the nearest of a storey, the nearest first", () => {
    const { x, y } = map.file;
    const far = (a: number, b: number) =>
      Math.hypot((x[a] ?? 0) - (x[b] ?? 0), (y[a] ?? 0) - (y[b] ?? 0));
    const all = Array.from({ length: 60 }, (_, i) => 40 + i).filter((i) => i !== 45);
    const wanted = all.sort((a, b) => far(45, a) - far(45, b)).slice(0, 5);
    expect(map.nearest(45, 5)).toEqual(wanted);
  });

  it("tells a district's strongest features at the token on show, and those of its parts", () => {
    const at = (id: number, activation: number) => feature(id, activation, { source: "axon-demo/0-res", max: 10, label: `feature ${id}` }); // prettier-ignore
    const ids = Array.from({ length: 40 }, (_, i) => i);
    const west = ids.filter((i) => map.districtsOf(i)?.large === 0);
    const store = streamed(
      started(1, SOURCES),
      token(2, 0, "a", ids.map((id) => at(id, 1 + id / 10))), // prettier-ignore
    );
    const wanted = west.toReversed().map((id) => `feature ${id}`);
    expect(west.length).toBeGreaterThan(3);
    expect(strongestIn(store, map, 0).map(({ name }) => name)).toEqual(wanted);
    expect(strongestIn(store, map, 2)).toEqual(strongestIn(store, map, 0));
  });
});

describe("MapWatch", () => {
  function watching(...answers: MapAnswer[]) {
    const store = new Store();
    const asked: (string | null)[] = [];
    const waits: (() => void)[] = [];
    const ask = ({ hash }: MapWanted) => {
      asked.push(hash);
      return Promise.resolve(answers[asked.length - 1] ?? { state: "none" as const, reason: "" });
    };
    new MapWatch(store, { ask, wait: () => new Promise((done) => waits.push(done)) });
    const served = (hash: string | null) => {
      store.set({ backend: { state: "ready", model: modelInfo({ map: { hash } }) } });
    };
    return { store, asked, waits, served };
  }

  it("asks while the map is made, tells how far it is, and takes it", async () => {
    const making = { state: "making", stage: "neighbours", done: 0.4 } as const;
    const { store, asked, waits, served } = watching(making, madeMap(SMALL).bytes());
    served(null);
    await vi.waitFor(() => expect(store.mapping).toEqual(making)); // prettier-ignore
    await vi.waitFor(() => expect(waits).toHaveLength(1)); // prettier-ignore
    waits[0]?.();
    await vi.waitFor(() => expect(store.mapping.state).toBe("ready")); // prettier-ignore
    expect(asked).toEqual([null, null]);
  });

  it("never shows an older one's: neither one that comes, nor one that is there", async () => {
    const { store, asked, served } = watching(
      madeMap(SMALL, "aa").bytes(),
      madeMap(SMALL, "old").bytes(),
    );
    served("aa");
    await vi.waitFor(() => expect(store.mapping.state).toBe("ready")); // prettier-ignore
    served("bb");
    await vi.waitFor(() => expect(store.mapping).toMatchObject({ reason: expect.stringContaining("other weights") as string })); // prettier-ignore
    expect(asked).toEqual(["aa", "bb"]);
  });

  it("keeps one of the same weights until its new names are there, and no other", async () => {
    const { store, served } = watching(
      madeMap(SMALL, "aa-1").bytes(),
      madeMap(SMALL, "aa-3").bytes(),
    );
    served("aa-1");
    await vi.waitFor(() => expect(store.mapping.state).toBe("ready")); // prettier-ignore
    served("aa-2");
    expect(store.mapping.state).toBe("ready");
    await vi.waitFor(() => expect(store.mapping).toMatchObject({ map: { file: { hash: "aa-3" } } })); // prettier-ignore
    served("bb-1");
    expect(store.mapping.state).toBe("none");
  });

  it("takes the old one away while a new one is made", async () => {
    const making = { state: "making", stage: "neighbours", done: 0.4 } as const;
    const { store, served } = watching(madeMap(SMALL, "aa").bytes(), making);
    served("aa");
    await vi.waitFor(() => expect(store.mapping.state).toBe("ready")); // prettier-ignore
    served(null);
    await vi.waitFor(() => expect(store.mapping).toEqual(making)); // prettier-ignore
    expect(store.map).toBeNull();
  });

  it("asks again for one that did not arrive", async () => {
    const { store, waits, served } = watching({ state: "none", reason: "lost" }, madeMap(SMALL, "aa").bytes()); // prettier-ignore
    served("aa");
    await vi.waitFor(() => expect(waits).toHaveLength(1)); // prettier-ignore
    waits[0]?.();
    await vi.waitFor(() => expect(store.mapping.state).toBe("ready")); // prettier-ignore
  });

  it("says why a map cannot be read, and leaves the page as it was", async () => {
    const { store, served } = watching(new ArrayBuffer(3));
    served("aa");
    await vi.waitFor(() => expect(store.mapping).toMatchObject({ reason: expect.stringContaining("cut off") as string })); // prettier-ignore
    expect(store.map).toBeNull();
  });

  it("asks for nothing where there is no map", () => {
    const { store, asked } = watching();
    store.set({ backend: { state: "ready", model: modelInfo() } });
    expect(asked).toEqual([]);
  });

  it("shows a map only where all sources are on it", () => {
    const store = streamed(started(1, ["other/1"]), token(2, 0, "a", []));
    store.mapping = { state: "ready", map: mapOf() };
    expect(store.map).toBeNull();
    store.apply(started(3, SOURCES));
    expect(store.map).not.toBeNull();
  });
});

describe("a footprint", () => {
  const map = mapOf();
  const west = Array.from({ length: 40 }, (_, i) => i).filter(
    (i) => map.districtsOf(i)?.large === 0,
  );
  const east = Array.from({ length: 40 }, (_, i) => i).filter(
    (i) => map.districtsOf(i)?.large === 1,
  );
  const at = (id: number, activation: number) =>
    feature(id, activation, { source: "axon-demo/0-res", max: 10 });

  it("says how a text's light is shared out among features and districts", () => {
    const [a = 0, b = 0] = west;
    const [c = 0] = east;
    const tokens = [[at(a, 10), at(c, 5)], [at(a, 10)], [at(b, 2.5)]];
    const store = streamed(started(1, SOURCES), ...tokens.map((f, i) => token(2 + i, i, "a", f)));
    const print = footprintOf(store.session, map);
    expect([...(print?.heat ?? [])]).toEqual([[a, 2], [c, 0.5], [b, 0.25]]); // prettier-ignore
    expect(print?.shares.get(0)).toBeCloseTo(2.25 / 2.75);
    expect(print?.shares.get(1)).toBeCloseTo(0.5 / 2.75);
    expect(print).toMatchObject({ title: "The capital", tokens: 3 });
  });

  it("of two texts lists the districts that either has most of first", () => {
    const [a = 0] = west;
    const [c = 0] = east;
    const print = (id: number) => footprintOf(streamed(started(1, SOURCES), token(2, 0, "a", [at(id, 5)])).session, map); // prettier-ignore
    const [one, other] = [print(a), print(c)];
    expect(one && ranked(one, null)).toEqual([0]);
    expect(one && other && ranked(one, other).sort()).toEqual([0, 1]);
  });

  it("is none where nothing has fired", () => {
    expect(footprintOf(streamed(started(1, SOURCES)).session, map)).toBeNull();
  });
});
