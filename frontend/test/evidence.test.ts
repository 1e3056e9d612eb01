import { describe, expect, it } from "vitest";
import { CoActivation, evidence } from "../src/session/evidence";

describe("evidence", () => {
  it("is nothing where two features meet as often as chance has it", () => {
    expect(evidence(25, 50, 50, 100)).toBe(0);
    expect(evidence(10, 50, 50, 100)).toBe(0);
  });

  it("is nothing between features that fire everywhere", () => {
    expect(evidence(100, 100, 100, 100)).toBe(0);
  });

  it("nears 1 for a rare pair that always comes together, and grows with the sightings", () => {
    const once = evidence(1, 1, 1, 1000);
    const often = evidence(20, 20, 20, 1000);
    expect(once).toBeCloseTo(1 / 3);
    expect(often).toBeCloseTo(20 / 22);
  });

  it("is less for a pair that also goes separate ways", () => {
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

  it("answers the links with the most evidence first", () => {
    const seen = new CoActivation();
    for (let i = 0; i < 5; i += 1) {
      seen.observe([[1, 2, 7]]);
      seen.observe([[3, 4, 7]]);
      seen.observe([[4, 5, 7]]);
    }
    const links = seen.strongest(10);
    expect([links[0]?.a, links[0]?.b]).toEqual([1, 2]);
    expect(links[0]?.together).toBe(5);
    // 7 fires everywhere: it is tied to nothing.
    expect(links.some(({ a, b }) => a === 7 || b === 7)).toBe(false);
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
