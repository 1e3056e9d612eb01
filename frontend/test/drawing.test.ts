import { BufferAttribute } from "three";
import { describe, expect, it } from "vitest";
import { FrameStatistics } from "../src/graph/loop";
import { joined, used } from "../src/graph/map/atlas";
import { Patches } from "../src/graph/nodes";

describe("Patches", () => {
  function patched(...items: number[]): BufferAttribute {
    const patches = new Patches(new BufferAttribute(new Float32Array(3 * 1000), 3));
    for (const item of items) patches.touch(item);
    patches.send();
    return patches.attribute;
  }

  it("sends one range that holds all touched items, and nothing beyond them", () => {
    expect(patched(33, 2, 500).updateRanges).toEqual([{ start: 3 * 2, count: 3 * 499 }]);
    expect(patched(999).updateRanges).toEqual([{ start: 3 * 999, count: 3 }]);
  });

  it("keeps no list that grows while nothing is drawn, and loses no change", () => {
    const patches = new Patches(new BufferAttribute(new Float32Array(300), 3));
    for (const item of [50, 99, 7, 60]) {
      patches.touch(item);
      patches.send();
    }
    expect(patches.attribute.updateRanges).toEqual([{ start: 3 * 7, count: 3 * 93 }]);
  });

  it("sends nothing twice, and nothing if nothing was touched", () => {
    const patches = new Patches(new BufferAttribute(new Float32Array(30), 3));
    patches.send();
    expect(patches.attribute.version).toBe(0);
    patches.touch(2);
    patches.send();
    patches.attribute.clearUpdateRanges();
    patches.send();
    expect(patches.attribute.updateRanges).toEqual([]);
    expect(patches.attribute.version).toBe(1);
  });
});

describe("the atlas", () => {
  const chart = (...ids: number[]) => ({
    ids: Uint32Array.from(ids),
    spots: Float32Array.from(ids.flatMap((id) => [id, 0, -id])),
  });

  it("keeps a feature's first place, and puts what was used last at the end", () => {
    const moved = { ids: Uint32Array.of(1, 7), spots: Float32Array.of(99, 99, 99, 7, 0, -7) };
    expect(joined(chart(1, 2), moved)).toEqual(chart(2, 1, 7));
  });

  it("drops the least recently used", () => {
    expect(joined(chart(1, 2, 3), chart(1, 4), 3)).toEqual(chart(3, 1, 4));
    expect(used(["b", "a", "c"], "c", 2)).toEqual({ kept: ["c", "b"], dropped: ["a"] });
  });

  it("works from an empty store", () => {
    expect(joined(undefined, chart(5))).toEqual(chart(5));
  });
});

describe("FrameStatistics", () => {
  it("counts the frames of the last second, and returns a quantile of the costs", () => {
    const statistics = new FrameStatistics();
    expect(statistics.quantile(0.95)).toBe(0);
    for (let i = 1; i <= 100; i += 1) statistics.record(20 * i, i);
    expect(statistics.frames).toBe(100);
    expect(statistics.quantile(0.95)).toBe(95);
    expect(statistics.perSecond(2000)).toBe(50);
    expect(statistics.perSecond(4000)).toBe(0);
  });

  it("forgets old frames", () => {
    const statistics = new FrameStatistics();
    for (let i = 0; i < 300; i += 1) statistics.record(i, 50);
    for (let i = 300; i < 600; i += 1) statistics.record(i, 1);
    expect(statistics.quantile(1)).toBe(1);
  });
});
