import { describe, expect, it } from "vitest";
import { CoActivation, evidence, LinkSet } from "../src/state/evidence";

describe("evidence", () => {
  it("is 0 if two features fire together as often as by chance", () => {
    expect(evidence(25, 50, 50, 100)).toBe(0);
    expect(evidence(10, 50, 50, 100)).toBe(0);
  });

  it("is 0 between features that fire everywhere", () => {
    expect(evidence(100, 100, 100, 100)).toBe(0);
  });

  it("nears 1 for a rare pair that always fires together, and grows with the sightings", () => {
    const once = evidence(1, 1, 1, 1000);
    const often = evidence(20, 20, 20, 1000);
    expect(once).toBeCloseTo(1 / 3);
    expect(often).toBeCloseTo(20 / 22);
  });

  it("is less for a pair that also fires apart", () => {
    expect(evidence(10, 20, 10, 1000)).toBeLessThan(evidence(10, 10, 10, 1000));
  });
});

describe("CoActivation", () => {
  it("counts pairs within a group and to the next one, not beyond", () => {
    const seen = new CoActivation();
    seen.observe([[1, 2], [3], [4]]);
    seen.observe([[9]]);
    expect(seen.weight(1, 2)).toBeGreaterThan(0);
    expect(seen.weight(3, 1)).toBeGreaterThan(0);
    expect(seen.weight(1, 4)).toBe(0);
  });

  function threeTimes(): CoActivation {
    const seen = new CoActivation();
    for (let i = 0; i < 5; i += 1) {
      seen.observe([[1, 2, 7]]);
      seen.observe([[3, 4, 7]]);
      seen.observe([[4, 5, 7]]);
    }
    return seen;
  }

  it("returns a feature's own links, those with the most evidence first", () => {
    const seen = threeTimes();
    expect(seen.around(2, 10)).toEqual([{ a: 1, b: 2, together: 5, weight: seen.weight(1, 2) }]);
    expect(seen.around(4, 10).map(({ a, b }) => [a, b])).toEqual([
      [3, 4],
      [4, 5],
    ]);
    // 7 fires everywhere, so it has no links.
    expect(seen.around(7, 10)).toEqual([]);
    expect(seen.from(5).map(({ a, b }) => [a, b])).toEqual([[4, 5]]);
  });

  it("selects links between features that fire now, from three sightings on, with evidence enough", () => {
    const seen = new CoActivation();
    // Pair i has been seen i times: more sightings, more evidence.
    for (let i = 1; i <= 40; i += 1) {
      for (let times = 0; times < i; times += 1) seen.observe([[2 * i, 2 * i + 1]]);
    }
    const chosen = new LinkSet(100);
    const pairs = (floor: number, among: Uint8Array) => {
      seen.select(floor, among, chosen);
      return [...chosen.a.slice(0, chosen.count)].map((a) => a / 2).sort((x, y) => x - y);
    };
    const all = new Uint8Array(82).fill(1);
    expect(pairs(0, all)).toEqual(Array.from({ length: 38 }, (_, i) => i + 3));
    const floor = (seen.weight(70, 71) + seen.weight(72, 73)) / 2;
    expect(pairs(floor, all)).toEqual([36, 37, 38, 39, 40]);
    // Of pair 20, only one fires now.
    const some = Uint8Array.from(all, (_, i) => Number(i >= 36 && i <= 40));
    expect(pairs(0, some)).toEqual([18, 19]);
    seen.select(0, all, new LinkSet(10));
    expect(pairs(0, new Uint8Array(82))).toEqual([]);
  });

  it("forgets old single sightings when it is full, and keeps what was seen twice", () => {
    const seen = new CoActivation(50);
    seen.observe([[1, 2]]);
    seen.observe([[1, 2]]);
    for (let i = 10; i < 300; i += 2) seen.observe([[i, i + 1]]);
    expect(seen.size).toBeLessThanOrEqual(50);
    expect(seen.weight(1, 2)).toBeGreaterThan(0);
    expect(seen.weight(10, 11)).toBe(0);
  });
});
