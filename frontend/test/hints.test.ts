import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Hints } from "../src/net/hints";
import { nameOf } from "../src/state/feature";
import { certaintyOf } from "../src/state/naming";
import type { Store } from "../src/state/store";
import { parseFeatureInfo } from "../src/wire/model";
import { feature, modelInfo, SOURCE, started, streamed, token } from "./frames";

const INFO = parseFeatureInfo({
  promoted: [" Paris", "Paris", " ", " Rome", " Oslo"].map((token) => ({ token, logit: 1 })),
});

/** A presenter's page at a token with seven features, the second of which has a label. */
function page(role: "presenter" | "viewer" = "presenter"): Store {
  const active = [1, 2, 3, 4, 5, 6, 7].map((id) =>
    feature(id, 10 - id, id === 2 ? { label: "capitals" } : {}),
  );
  const store = streamed(started(1), token(2, 0, " is", active));
  store.apply({ type: "room", seq: 2, room: "r", role, viewers: 1, open: false });
  const facts = { hook: "", layer: 2, width: 99, architecture: "", neuronpedia_url: null };
  const model = modelInfo({ sources: [{ id: SOURCE, ...facts }] });
  store.set({ backend: { state: "ready", model } });
  return store;
}

const names = (store: Store): string[] => store.session.features.map(nameOf);

describe("a name for want of a label", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is what the feature promotes and where it fired, of the few that may be large", async () => {
    const store = page();
    const ask = vi.fn(() => Promise.resolve(INFO));
    new Hints(store, ask);
    await vi.advanceTimersByTimeAsync(60_000);
    const large = store.strongest.slice(0, 5).map(({ feature: { id } }) => id);
    const asked = large.filter((id) => id !== 2);
    expect(ask.mock.calls).toEqual(asked.map((id) => [SOURCE, id]));
    expect(names(store)).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((id) => {
        if (id === 2) return "capitals";
        return asked.includes(id) ? "≈ promotes “Paris”, “Rome” · at “is”" : "≈ at “is”";
      }),
    );
    const [one] = store.session.features;
    expect(one && certaintyOf(one)).toBe("provisional");
    // What is known is not asked for again, also of another run's feature.
    for (const frame of [token(3, 1, " is", [feature(1, 9)])]) store.apply(frame);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ask).toHaveBeenCalledTimes(asked.length);
  });

  it("is asked for one at a time, with a pause, and less often after a failure", async () => {
    const ask = vi.fn(() => Promise.resolve(ask.mock.calls.length === 1 ? null : INFO));
    new Hints(page(), ask);
    await vi.advanceTimersByTimeAsync(9_900);
    expect(ask).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(ask).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(500);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it("is not asked for by those who only watch", async () => {
    const ask = vi.fn(() => Promise.resolve(INFO));
    new Hints(page("viewer"), ask);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ask).not.toHaveBeenCalled();
  });
});
