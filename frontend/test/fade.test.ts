import { describe, expect, it } from "vitest";
import { fullScale, HALF_LIFE_TOKENS, recency, strength } from "../src/session/fade";

describe("recency", () => {
  it("is whole at the token itself and halves every half-life", () => {
    expect(recency(0)).toBe(1);
    expect(recency(HALF_LIFE_TOKENS)).toBeCloseTo(0.5);
    expect(recency(3 * HALF_LIFE_TOKENS)).toBeCloseTo(0.125);
  });
});

describe("fullScale", () => {
  const seen = (fired: number, knownMax: number | null = null) => ({ peak: 2, fired, knownMax });

  it("draws a feature seen once towards the level of its source", () => {
    expect(fullScale(seen(1), 10)).toBeCloseTo(8);
  });

  it("trusts a peak that has been seen often", () => {
    expect(fullScale(seen(300), 10)).toBeCloseTo(2.08, 2);
  });

  it("takes a known maximum, unless more has been seen", () => {
    expect(fullScale(seen(1, 22), 10)).toBe(22);
    expect(fullScale(seen(1, 1.5), 10)).toBe(2);
  });
});

describe("strength", () => {
  it("is a share, at most 1, and 0 for impossible values", () => {
    expect(strength(3, 12)).toBe(0.25);
    expect(strength(20, 12)).toBe(1);
    expect(strength(3, 0)).toBe(0);
    expect(strength(Number.NaN, 12)).toBe(0);
  });
});
