import { describe, expect, it } from "vitest";
import { DUST, Lights } from "../src/graph/lights";
import { featureKey } from "../src/state/feature";
import { AFTERGLOW, FLOOR } from "../src/state/light";
import { Store } from "../src/state/store";
import { feature, started, token } from "./frames";

const SOURCE = "m/0";

function storeOf(...tokens: number[][]): Store {
  const store = new Store();
  store.apply(started(1, [SOURCE]));
  tokens.forEach((ids, i) => {
    store.apply(frameOf(i, ids));
  });
  return store;
}

function frameOf(step: number, ids: number[]) {
  const features = ids.map((id) => feature(id, 5, { source: SOURCE }));
  return token(2 + step, step, "a", features);
}

/** Lights that have come to rest. */
function settled(store: Store): Lights {
  const lights = new Lights();
  lights.aim(store);
  rest(lights);
  return lights;
}

function rest(lights: Lights): void {
  while (lights.step(16, false));
}

describe("Lights", () => {
  it("let the newest token stand out at once, before the others have faded", () => {
    const { glow, fresh } = settled(storeOf([1], [2]));
    expect(glow[1]).toBeCloseTo(1);
    expect(glow[0]).toBeLessThanOrEqual(AFTERGLOW);
    expect([...fresh.slice(0, 2)]).toEqual([0, 1]);
  });

  it("touch only what changes, and nothing at rest", () => {
    const store = storeOf([1, 2, 3, 4], [9], ...Array.from({ length: 40 }, () => [9]));
    const lights = settled(store);
    expect(lights.glow[0]).toBeCloseTo(FLOOR);
    expect(lights.step(16, false)).toBe(false);
    store.apply(frameOf(60, [4]));
    lights.aim(store);
    expect(lights.step(16, false)).toBe(true);
    const touched = [...lights.touched.slice(0, lights.touchedCount)];
    // Feature 4 has fired, and 9 is dimmed.
    expect(touched.sort()).toEqual([3, 4]);
    expect([...lights.isTouched.slice(0, 5)]).toEqual([0, 0, 0, 1, 1]);
  });

  it("come to rest exactly at their targets", () => {
    const lights = settled(storeOf([1, 2], [3]));
    expect([...lights.glow.slice(0, 3)]).toEqual([...lights.target.slice(0, 3)]);
    expect([...lights.pulse.slice(0, 3)]).toEqual([0, 0, 0]);
    expect(lights.isSettled).toBe(true);
  });

  it("jump under reduced motion", () => {
    const store = storeOf([1]);
    const lights = new Lights();
    lights.aim(store);
    lights.step(16, true);
    expect(lights.glow[0]).toBeCloseTo(1);
    expect(lights.isSettled).toBe(true);
  });

  it("climb storey by storey within a beat, and are there at once where there is none", () => {
    for (const pace of [Infinity, 2]) {
      const store = new Store(() => () => undefined);
      store.playhead.setPace(pace);
      store.apply(started(1, ["m/0", "m/1"]));
      const at = (source: string, id: number) => feature(id, 5, { source });
      store.apply(token(2, 0, "a", [at("m/0", 1), at("m/1", 2)]));
      store.playhead.step(1);
      const lights = new Lights();
      lights.aim(store);
      lights.step(50, false);
      const [low = 0, high = 0] = lights.glow;
      expect(low).toBeGreaterThan(0.4);
      expect(high > 0).toBe(pace === Infinity);
      rest(lights);
      expect(lights.glow[1]).toBeCloseTo(1);
    }
  });

  it("leave of an earlier run no more than dust, until it fires again", () => {
    const store = storeOf([1], [2]);
    const lights = settled(store);
    store.apply(started(9, [SOURCE]));
    store.apply(token(10, 0, "a", [feature(2, 5, { source: SOURCE })]));
    lights.aim(store);
    rest(lights);
    expect(lights.glow[0]).toBeCloseTo(DUST);
    expect(lights.glow[1]).toBeCloseTo(1);
    expect([...lights.firing.slice(0, 2)]).toEqual([0, 1]);
  });

  it("hide what does not pass, and ask again when a filter or a label may have changed", () => {
    const store = storeOf([1], [2]);
    const lights = settled(store);
    let asked = 0;
    store.passes = ({ label }) => {
      asked += 1;
      return label !== "dull";
    };
    lights.aim(store);
    expect(asked).toBe(0);
    store.apply({ type: "labels", seq: 90, source: SOURCE, labels: { "1": "dull" } });
    lights.aim(store);
    rest(lights);
    expect(asked).toBe(2);
    expect(lights.glow[0]).toBe(-1);
    expect(lights.glow[1]).toBeGreaterThan(0);
  });

  it("lend no light to what is chosen, and take none from the others: only what fires shines", () => {
    const store = storeOf([1, 2], [3], [4], ...Array.from({ length: 30 }, () => [5]));
    const before = [...settled(store).glow.slice(0, 5)];
    store.choose(featureKey(SOURCE, 1));
    expect([...settled(store).glow.slice(0, 5)]).toEqual(before);
    expect(before[0]).toBeCloseTo(FLOOR);
    expect(before[4]).toBeCloseTo(1);
  });

  it("show only the token looked at", () => {
    const store = storeOf([1, 2], [3]);
    store.playhead.lookAt(0);
    const { glow, fresh } = settled(store);
    expect(glow[0]).toBeGreaterThan(0.5);
    expect(glow[2]).toBeCloseTo(FLOOR);
    expect([...fresh.slice(0, 3)]).toEqual([1, 1, 0]);
  });
});
