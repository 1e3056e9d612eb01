import { describe, expect, it } from "vitest";
import { Player } from "../src/net/player";
import { generationsOf, pauseBefore } from "../src/net/replay";
import { Store } from "../src/session/store";
import type { Frame } from "../src/wire/types";
import type { Recorded } from "../src/wire/recording";
import { feature, finished, started, token } from "./frames";

/** A clock that runs only when told to. */
class Clock {
  action: (() => void) | null = null;
  readonly waits: number[] = [];

  wait = (ms: number, action: () => void): (() => void) => {
    this.waits.push(ms);
    this.action = action;
    return () => {
      this.action = null;
    };
  };

  /** Runs waiting actions, at most `times` of them; returns how many ran. */
  run(times = Infinity): number {
    let ran = 0;
    for (; ran < times && this.action !== null; ran += 1) {
      const { action } = this;
      this.action = null;
      action();
    }
    return ran;
  }
}

const PROMPT = ["The", " capital"];

/** A generation with two given tokens and `made` of its own, numbered on from `seq`. */
function generation(seq: number, made: number): Frame[] {
  const tokens = PROMPT.map((text, position) => ({
    token: text,
    position,
    features: [feature(position, 1)],
  }));
  return [
    started(seq),
    { type: "prompt", seq: seq + 1, tokens },
    ...Array.from({ length: made }, (_, step) =>
      token(seq + 2 + step, step, ` ${step}`, [feature(10 + step, 2)]),
    ),
    finished(seq + 2 + made),
  ];
}

function recorded(frames: Frame[], time: (i: number) => number | null = () => null): Recorded[] {
  return frames.map((frame, i) => ({ frame, time: time(i) }));
}

function opened(frames: Frame[], start: Partial<Parameters<Player["open"]>[1]> = {}) {
  const store = new Store((run) => {
    run();
  });
  const clock = new Clock();
  const player = new Player(store, clock.wait);
  player.open(recorded(frames), { speed: 1, at: null, run: null, ...start });
  return { store, clock, player };
}

const shown = ({ session, at }: Store) => [session.tokens.length, at];

describe("a recording", () => {
  it("shows its prompt, then one token after another, and stops at its end", () => {
    const { store, clock } = opened(generation(1, 3));
    expect([...shown(store), store.length]).toEqual([2, 1, 5]);
    clock.run(1);
    expect([...shown(store), store.playback.playing]).toEqual([3, 2, true]);
    clock.run();
    expect([...shown(store), store.playback.playing]).toEqual([5, 4, false]);
    expect([store.session.phase, store.token]).toEqual(["finished", null]);
  });

  it("is shown whole at once at infinite speed", () => {
    const { store, clock } = opened([...generation(1, 2), ...generation(6, 3)], {
      speed: Infinity,
    });
    expect([store.playback.run, store.session.tokens.length]).toEqual([1, 5]);
    expect([clock.run(), store.playback.speed]).toEqual([0, 1]);
  });

  it("stops at the token that the address names, with all of the text around it", () => {
    const { store, clock } = opened(generation(1, 4), { at: 3 });
    expect([...shown(store), store.token?.index]).toEqual([6, 3, 3]);
    expect(clock.run()).toBe(0);
  });

  it("is read as far as one scrubs, and not beyond its end", () => {
    const { store, player, clock } = opened(generation(1, 8));
    player.seek(5);
    expect([...shown(store), store.playback.ahead]).toEqual([6, 5, 4]);
    player.seek(99);
    expect([...shown(store), store.length]).toEqual([10, 9, 10]);
    player.seek(-3);
    expect(shown(store)).toEqual([10, 0]);
    expect(clock.run()).toBe(0);
  });

  it("plays on from where one scrubbed to, over known and new tokens", () => {
    const { store, player, clock } = opened(generation(1, 4));
    player.seek(3);
    player.seek(0);
    player.play();
    clock.run(2);
    expect(shown(store)).toEqual([4, 2]);
    clock.run();
    expect([...shown(store), store.token]).toEqual([6, 5, null]);
  });

  it("begins again at its prompt when it is played from its end", () => {
    const { store, player, clock } = opened(generation(1, 2), { speed: Infinity });
    player.play();
    expect(store.at).toBe(PROMPT.length - 1);
    expect(clock.run()).toBe(2);
    expect([store.at, store.playback.playing]).toEqual([3, false]);
  });

  it("stops when the user goes to a token", () => {
    const { store, clock } = opened(generation(1, 4));
    clock.run(2);
    store.lookAt(1);
    expect([clock.run(), store.at, store.playback.playing]).toEqual([1, 1, false]);
  });

  it("goes to its next generation by itself, or when asked", () => {
    const { store, player, clock } = opened([...generation(1, 2), ...generation(6, 3)]);
    expect([store.playback.run, store.playback.runs]).toEqual([0, 2]);
    player.go(-1);
    expect(store.playback.run).toBe(0);
    clock.run();
    expect([store.playback.run, ...shown(store)]).toEqual([1, 5, 4]);
    player.go(-1);
    expect([store.playback.run, ...shown(store)]).toEqual([0, 2, 1]);
    player.go(1);
    // What fired in the first generation is known in the second.
    expect([store.playback.run, store.session.runs]).toEqual([1, 2]);
    expect(store.session.features.map(({ fired }) => fired)).toEqual([2, 2, 1, 1]);
  });

  it("still ends if its frames repeat earlier ones, as after a break", () => {
    const [first = started(1), ...others] = generation(1, 3);
    const again = others.map((frame) => ({ ...frame, seq: 2 }));
    const { clock, store } = opened([first, ...again]);
    expect(clock.run(50)).toBeLessThan(50);
    expect([store.playback.ahead, store.playback.playing]).toEqual([0, false]);
  });
});

describe("speed", () => {
  it("shortens the waits; infinite speed skips them", () => {
    const { player, clock, store } = opened(generation(1, 5));
    clock.run(1);
    const [, before = 0] = clock.waits;
    player.setSpeed(4);
    expect(clock.waits.at(-1)).toBeCloseTo(before / 4);
    player.setSpeed(Infinity);
    expect([clock.run(), store.at, store.playback.playing]).toEqual([0, 6, false]);
  });
});

describe("a live room", () => {
  it("can be looked back over while it goes on, and caught up with", () => {
    const { store, player, clock } = opened([]);
    store.show(store.live);
    for (const frame of generation(1, 3).slice(0, -1)) store.apply(frame);
    expect(store.followsLive).toBe(true);
    player.toggle();
    expect([store.token?.index, store.playback.playing]).toEqual([4, false]);
    store.apply(token(6, 3, " x", []));
    expect([store.at, store.length]).toEqual([4, 6]);
    player.step(-1);
    player.play();
    clock.run();
    expect([store.at, store.followsLive, store.playback.playing]).toEqual([5, true, false]);
    player.seek(0);
    player.toEnd();
    expect(store.followsLive).toBe(true);
  });
});

describe("the generations of a recording", () => {
  it("are cut where one begins, with its time in the queue", () => {
    const queued: Frame = { type: "queued", seq: 6, position: 1 };
    const frames = [...generation(1, 2), queued, ...generation(7, 1)];
    const cut = generationsOf(recorded(frames));
    expect(cut.map(({ frames: own, times, given }) => [own.length, times.length, given])).toEqual([
      [5, 4, 2],
      [5, 3, 2],
    ]);
    expect(cut[1]?.frames[0]?.frame.type).toBe("queued");
  });

  it("keep their recorded times, within the shortest and the longest pause", () => {
    const times = [0, 0, 2, 2.5, 2.501, 60, 60];
    const [one] = generationsOf(recorded(generation(1, 4), (i) => times[i] ?? null));
    const pauses = [2, 3, 4, 5].map((index) => pauseBefore(one ?? null, index));
    expect(pauses).toEqual([2000, 500, 100, 3000]);
  });

  it("play at reading speed if the file has no times, as does a live room", () => {
    const [one] = generationsOf(recorded(generation(1, 2)));
    expect(pauseBefore(one ?? null, 3)).toBe(pauseBefore(null, 3));
    expect(pauseBefore(one ?? null, 2)).toBeGreaterThan(pauseBefore(null, 2));
  });
});
