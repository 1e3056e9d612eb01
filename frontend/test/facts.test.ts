import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Facts } from "../src/net/backend";
import type { Filter } from "../src/state/filters";
import { Store } from "../src/state/store";
import { feature, modelInfo, SOURCE, started, token } from "./frames";

const MODEL = modelInfo({
  sources: [
    { id: SOURCE, hook: "", layer: 2, width: 99, architecture: "topk", neuronpedia_url: null },
  ],
});
const DENSE: Filter = { kind: "density", low: 0, high: 0.1 };
/** Longer than any pause between queries. */
const ROUND_MS = 15_000;

function setUp(served = true) {
  const store = new Store();
  if (served) store.set({ backend: { state: "ready", model: MODEL } });
  const asked: number[][] = [];
  const failing = { times: 0 };
  new Facts(store, (_, indices) => {
    asked.push([...indices]);
    failing.times -= 1;
    if (failing.times >= 0) return Promise.resolve(null);
    const facts = { label: null, density: 0.01, max_activation: 20 };
    return Promise.resolve(new Map(indices.map((index) => [index, facts])));
  });
  store.apply(started(1));
  return { store, asked, failing };
}

describe("Facts", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("asks only if a filter needs it, then for all features in one query, once each", async () => {
    const { store, asked } = setUp();
    store.apply(token(2, 0, "a", [feature(4, 5), feature(7, 2)]));
    store.apply(token(3, 1, "b", [feature(4, 5), feature(9, 3)]));
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toEqual([]);
    store.look({ filters: [DENSE] });
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toEqual([[4, 7, 9]]);
    store.apply(token(4, 2, "c", [feature(4, 5)]));
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toHaveLength(1);
    store.apply(token(5, 3, "d", [feature(4, 5), feature(11, 1)]));
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toEqual([[4, 7, 9], [11]]);
  });

  it("takes a largest activation that no frame had", async () => {
    const { store } = setUp();
    store.apply(token(2, 0, "a", [feature(4, 5)]));
    const [seen] = store.session.features;
    if (!seen) throw new Error("the feature is missing");
    expect(store.session.strengthOf(seen, 5)).toBe(1);
    store.look({ filters: [DENSE] });
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(store.session.strengthOf(seen, 5)).toBe(0.25);
  });

  it("asks at once while a filter needs the answer", async () => {
    const { store, asked } = setUp();
    store.look({ filters: [DENSE] });
    store.apply(token(2, 0, "a", [feature(4, 5, { source: SOURCE })]));
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toEqual([[4]]);
  });

  it("asks about a recording only what the server has: nothing of another model", async () => {
    const { store, asked } = setUp();
    const other = feature(5, 5, { source: "other/0" });
    const frames = [started(1), token(2, 0, "a", [other, feature(4, 5)])];
    const recorded = frames.map((frame) => ({ frame, time: null }));
    store.playhead.open(recorded, { speed: Infinity, at: null, run: null });
    store.look({ filters: [DENSE] });
    await vi.advanceTimersByTimeAsync(3 * ROUND_MS);
    expect(asked).toEqual([[4]]);
  });

  it("asks nothing if there is no server", async () => {
    const { store, asked } = setUp(false);
    store.look({ filters: [DENSE] });
    store.apply(token(2, 0, "a", [feature(4, 5)]));
    await vi.advanceTimersByTimeAsync(3 * ROUND_MS);
    expect(asked).toEqual([]);
  });

  it("repeats a question that failed, after a while", async () => {
    const { store, asked, failing } = setUp();
    failing.times = 2;
    store.look({ filters: [DENSE] });
    store.apply(token(2, 0, "a", [feature(4, 5)]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual([[4]]);
    await vi.advanceTimersByTimeAsync(4 * ROUND_MS);
    expect(asked).toEqual([[4], [4], [4]]);
    expect(store.session.features[0]?.density).toBe(0.01);
  });
});
