import { describe, expect, it } from "vitest";
import {
  fullScale,
  HALF_LIFE_TOKENS,
  lightsAt,
  MEMORY_TOKENS,
  recency,
  strength,
} from "../src/state/light";
import { neighbours } from "../src/state/query";
import type { Store } from "../src/state/store";
import type { Frame } from "../src/wire/types";
import { feature, glowOf, started, streamed, token } from "./frames";

/** Activations of features by id, token by token; 0 for none. */
type Rows = Record<number, number[]>;

/** A run numbered from `seq`; each feature's maximum is known, so that scales do not change. */
function run(rows: Rows, seq = 1, max?: number): Frame[] {
  const length = Math.max(...Object.values(rows).map((row) => row.length));
  const tokens = Array.from({ length }, (_, i) => {
    const fired = Object.entries(rows).filter(([, row]) => (row[i] ?? 0) > 0);
    const known = max === undefined ? {} : { max };
    const features = fired.map(([id, row]) => feature(Number(id), row[i] ?? 0, known));
    return token(seq + 1 + i, i, `${i}`, features);
  });
  return [started(seq), ...tokens];
}

function played(rows: Rows): Store {
  return streamed(...run(rows, 1, 10));
}

const quiet = (tokens: number): number[] => Array.from({ length: tokens }, () => 0);

describe("light as of a token", () => {
  it("is the same as when that token was the newest", () => {
    const rows = { 1: [8, 0, 0, 2, 0, 9, 0, 0], 2: [0, 5, 5, 0, 0, 0, 0, 1], 3: [0.2, 0, 0, 0] };
    const whole = played(rows).session;
    for (let index = 0; index < 8; index += 1) {
      const part = Object.entries(rows).map(([id, row]) => [id, row.slice(0, index + 1)]);
      const then = played(Object.fromEntries(part) as Rows).session;
      const lights = lightsAt(whole, index);
      for (const one of then.features) {
        const same = whole.feature(one.key);
        const light = lights.at(same?.index ?? -1);
        expect(light).toBeCloseTo(glowOf(then, one), 10);
      }
    }
  });

  it("does not depend on later tokens", () => {
    const { session } = played({ 1: [0, 0, 9], 2: [9, 0, 0] });
    const { indices, count } = lightsAt(session, 1);
    expect([...indices.slice(0, count)].map((i) => session.features[i]?.id)).toEqual([2]);
  });

  it("looks back only as far as any light can reach", () => {
    const { session } = played({ 1: [10, ...quiet(MEMORY_TOKENS)], 2: [0, 10] });
    const one = session.features[0]?.index ?? -1;
    expect(lightsAt(session, MEMORY_TOKENS - 1).has(one)).toBe(true);
    expect(lightsAt(session, MEMORY_TOKENS).has(one)).toBe(false);
  });
});

describe("where a feature fired", () => {
  it("is known for the run, token by token", () => {
    const store = played({ 1: [3, 0, 5] });
    const { session } = store;
    const [one] = session.features;
    if (!one) throw new Error("there is no feature");
    expect(session.firingsOf(one)).toMatchObject({ at: [0, 2], activation: [3, 5] });
    expect(session.tokens.map((t) => t.activationOf(one))).toEqual([3, 0, 5]);
    store.apply(started(40));
    expect(session.firingsOf(one).at).toEqual([]);
    expect([session.timesOf(one), one.fired]).toEqual([0, 2]);
  });

  it("gives the same company, counted as tokens come or at the end", () => {
    const rows: Rows = { 1: [1, 0, 1, 1], 2: [1, 0, 1, 0], 3: [0, 1, 0, 1], 4: [1, 1, 1, 1] };
    const company = ({ session }: Store) => {
      const one = session.features.find(({ id }) => id === 1);
      const found = one ? neighbours(session, one, 9) : [];
      return found.map((n) => [n.feature.id, n.together, n.weight]);
    };
    const store = streamed();
    let along: unknown;
    for (const frame of run(rows)) {
      store.apply(frame);
      along = company(store);
    }
    expect(along).toEqual(company(streamed(...run(rows))));
    expect((along as number[][]).map(([id]) => id)).toContain(4);
  });
});

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
