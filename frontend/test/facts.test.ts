import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Facts } from "../src/net/facts";
import type { Filter } from "../src/session/filters";
import { Store } from "../src/session/store";
import type { ModelInfo } from "../src/wire/model";
import { feature, SOURCE, started, token } from "./frames";

const MODEL: ModelInfo = {
  model: "axon-demo",
  models: [],
  sources: [],
  params: {},
  maxPromptCharacters: null,
};
const DENSE: Filter = { kind: "density", low: 0, high: 0.1 };
/** Longer than any pause between queries. */
const ROUND_MS = 15_000;

function setUp(origin: "live" | "recording") {
  const store = new Store((run) => {
    run();
  });
  store.restart(origin);
  store.set({ backend: { state: "ready", model: MODEL } });
  const asked: number[][] = [];
  new Facts(store, (_, indices) => {
    asked.push([...indices]);
    const facts = { label: null, density: 0.01, max_activation: 20 };
    return Promise.resolve(new Map(indices.map((index) => [index, facts])));
  });
  store.apply(started(1));
  return { store, asked };
}

describe("Facts", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("asks only if a filter needs it, then for all features in one query, once each", async () => {
    const { store, asked } = setUp("live");
    store.apply(token(2, 0, "a", [feature(4, 5), feature(7, 2)]));
    store.apply(token(3, 1, "b", [feature(4, 5), feature(9, 3)]));
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toEqual([]);
    store.filter([DENSE]);
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toEqual([[4, 7, 9]]);
    store.apply(token(4, 2, "c", [feature(4, 5)]));
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(asked).toHaveLength(1);
  });

  it("takes a largest activation that no frame had", async () => {
    const { store } = setUp("live");
    store.apply(token(2, 0, "a", [feature(4, 5)]));
    const [seen] = store.session.features;
    if (!seen) throw new Error("the feature is missing");
    expect(store.session.strengthOf(seen, 5)).toBe(1);
    store.filter([DENSE]);
    await vi.advanceTimersByTimeAsync(ROUND_MS);
    expect(store.session.strengthOf(seen, 5)).toBe(0.25);
  });

  it("asks at once while a filter needs the answer", async () => {
    const { store, asked } = setUp("live");
    store.filter([DENSE]);
    store.apply(token(2, 0, "a", [feature(4, 5, { source: SOURCE })]));
    await vi.advanceTimersByTimeAsync(10);
    expect(asked).toEqual([[4]]);
  });

  it("asks nothing about a recording without such a filter", async () => {
    const { store, asked } = setUp("recording");
    store.apply(token(2, 0, "a", [feature(4, 5)]));
    await vi.advanceTimersByTimeAsync(3 * ROUND_MS);
    expect(asked).toEqual([]);
  });
});
