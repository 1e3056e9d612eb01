import { describe, expect, it } from "vitest";
import { FLOOR } from "../src/session/fade";
import { lightsAt, MEMORY_TOKENS } from "../src/session/moment";
import { activationAt, neighbours } from "../src/session/query";
import { Session } from "../src/session/session";
import { feature, started, token } from "./frames";

/** Tokens at which feature n fires with the activations of its row, 0 for not at all. */
function played(rows: Record<number, number[]>): Session {
  const session = new Session();
  session.apply(started(1));
  const length = Math.max(...Object.values(rows).map((row) => row.length));
  for (let i = 0; i < length; i += 1) {
    const fired = Object.entries(rows).filter(([, row]) => (row[i] ?? 0) > 0);
    const features = fired.map(([id, row]) => feature(Number(id), row[i] ?? 0));
    session.apply(token(2 + i, i, `${i}`, features));
  }
  return session;
}

const quiet = (tokens: number): number[] => Array.from({ length: tokens }, () => 0);

describe("light as of a token", () => {
  /** Scales no longer change once a known maximum is set. */
  function settled(rows: Record<number, number[]>): Session {
    const session = played(Object.fromEntries(Object.keys(rows).map((id) => [id, [1]])));
    for (const one of session.features) one.knownMax = 10;
    session.apply(started(90));
    const length = Math.max(...Object.values(rows).map((row) => row.length));
    for (let i = 0; i < length; i += 1) {
      const features = Object.entries(rows)
        .filter(([, row]) => (row[i] ?? 0) > 0)
        .map(([id, row]) => feature(Number(id), row[i] ?? 0));
      session.apply(token(91 + i, i, `${i}`, features));
    }
    return session;
  }

  it("is the same as when that token was the newest", () => {
    const rows = { 1: [8, 0, 0, 2, 0, 9, 0, 0], 2: [0, 5, 5, 0, 0, 0, 0, 1], 3: [0.2, 0, 0, 0] };
    const whole = settled(rows);
    for (let index = 0; index < 8; index += 1) {
      const part = Object.entries(rows).map(([id, row]) => [id, row.slice(0, index + 1)]);
      const then = settled(Object.fromEntries(part) as Record<number, number[]>);
      const lights = lightsAt(whole, index);
      for (const one of then.features) {
        const same = whole.feature(one.key);
        const light = (same && lights.get(same)) ?? FLOOR;
        expect(light).toBeCloseTo(then.glowOf(one), 10);
      }
    }
  });

  it("does not depend on later tokens", () => {
    const session = settled({ 1: [0, 0, 9], 2: [9, 0, 0] });
    expect([...lightsAt(session, 1).keys()].map(({ id }) => id)).toEqual([2]);
  });

  it("looks back only as far as any light can reach", () => {
    const session = settled({ 1: [10, ...quiet(MEMORY_TOKENS)], 2: [0, 10] });
    const [one] = session.features;
    expect(lightsAt(session, MEMORY_TOKENS - 1).has(one as never)).toBe(true);
    expect(lightsAt(session, MEMORY_TOKENS).has(one as never)).toBe(false);
    expect(one && session.glowOf(one)).toBe(FLOOR);
  });
});

describe("where a feature fired", () => {
  it("is kept for the run, token by token", () => {
    const session = played({ 1: [3, 0, 5] });
    const [one] = session.features;
    expect(one?.firings).toEqual({ at: [0, 2], activation: [3, 5] });
    expect(session.tokens.map((t) => one && activationAt(t, one))).toEqual([3, 0, 5]);
    session.apply(started(40));
    expect(one?.firings.at).toEqual([]);
    expect(one?.fired).toBe(2);
  });

  it("gives the same company, counted as tokens come or at the end", () => {
    const rows = { 1: [1, 0, 1, 1], 2: [1, 0, 1, 0], 3: [0, 1, 0, 1], 4: [1, 1, 1, 1] };
    const session = played(Object.fromEntries(Object.entries(rows).map(([id]) => [id, [1]])));
    session.apply(started(40));
    const [one] = session.features;
    let along: unknown;
    for (let i = 0; i < 4; i += 1) {
      const fired = Object.entries(rows).filter(([, row]) => row[i] === 1);
      session.apply(token(41 + i, i, "x", fired.map(([id]) => feature(Number(id), 1)))); // prettier-ignore
      along = one && neighbours(session, one, 9);
    }
    const fresh = played(rows);
    const same = fresh.features.find(({ id }) => id === 1);
    const seen = (found: unknown) =>
      (found as ReturnType<typeof neighbours>).map((n) => [n.feature.id, n.together, n.weight]);
    expect(seen(along)).toEqual(seen(same && neighbours(fresh, same, 9)));
    expect(seen(along).map(([id]) => id)).toContain(4);
  });
});
