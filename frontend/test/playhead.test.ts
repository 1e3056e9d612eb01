import { describe, expect, it } from "vitest";
import { pauseBefore, type Playhead } from "../src/state/playhead";
import { Store } from "../src/state/store";
import { Stream } from "../src/state/stream";
import type { Recorded } from "../src/wire/recording";
import type { Frame } from "../src/wire/types";
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

function opened(frames: Frame[], start: Partial<Parameters<Playhead["open"]>[1]> = {}) {
  const clock = new Clock();
  const store = new Store(clock.wait);
  const { playhead } = store;
  playhead.open(recorded(frames), { speed: 1, at: null, run: null, ...start });
  return { store, clock, playhead };
}

const shown = ({ session, playhead }: Store) => [session.tokens.length, playhead.at];

describe("a recording", () => {
  it("shows its prompt, then one token after another, and stops at its end", () => {
    const { store, clock } = opened(generation(1, 3));
    expect([...shown(store), store.playhead.length]).toEqual([2, 1, 5]);
    clock.run(1);
    expect([...shown(store), store.playhead.playing]).toEqual([3, 2, true]);
    clock.run();
    expect([...shown(store), store.playhead.playing]).toEqual([5, 4, false]);
    expect([store.session.phase, store.playhead.token]).toEqual(["finished", null]);
  });

  it("is shown whole at once at infinite speed", () => {
    const { store, clock } = opened([...generation(1, 2), ...generation(6, 3)], {
      speed: Infinity,
    });
    expect([store.playhead.run, store.session.tokens.length]).toEqual([1, 5]);
    expect([clock.run(), store.playhead.speed]).toEqual([0, 1]);
  });

  it("stops at the token that the address names, with all of the text around it", () => {
    const { store, clock } = opened(generation(1, 4), { at: 3 });
    expect([...shown(store), store.playhead.token?.index]).toEqual([6, 3, 3]);
    expect(clock.run()).toBe(0);
  });

  it("is read as far as one scrubs, and not beyond its end", () => {
    const { store, playhead, clock } = opened(generation(1, 8));
    playhead.seek(5);
    expect([...shown(store), store.session.ahead]).toEqual([6, 5, 4]);
    playhead.seek(99);
    expect([...shown(store), store.playhead.length]).toEqual([10, 9, 10]);
    playhead.seek(-3);
    expect(shown(store)).toEqual([10, 0]);
    expect(clock.run()).toBe(0);
  });

  it("plays on from where one scrubbed to, over known and new tokens", () => {
    const { store, playhead, clock } = opened(generation(1, 4));
    playhead.seek(3);
    playhead.seek(0);
    playhead.play();
    clock.run(2);
    expect(shown(store)).toEqual([4, 2]);
    clock.run();
    expect([...shown(store), store.playhead.token]).toEqual([6, 5, null]);
  });

  it("begins again at its prompt when it is played from its end", () => {
    const { store, playhead, clock } = opened(generation(1, 2), { speed: Infinity });
    playhead.play();
    expect(store.playhead.at).toBe(PROMPT.length - 1);
    expect(clock.run()).toBe(2);
    expect([store.playhead.at, store.playhead.playing]).toEqual([3, false]);
  });

  it("stops when the user goes to a token", () => {
    const { store, clock } = opened(generation(1, 4));
    clock.run(2);
    store.playhead.lookAt(1);
    expect([clock.run(), store.playhead.at, store.playhead.playing]).toEqual([0, 1, false]);
  });

  it("goes to its next generation by itself, or when asked", () => {
    const { store, playhead, clock } = opened([...generation(1, 2), ...generation(6, 3)]);
    expect([store.playhead.run, store.playhead.runs]).toEqual([0, 2]);
    playhead.go(-1);
    expect(store.playhead.run).toBe(0);
    clock.run();
    expect([store.playhead.run, ...shown(store)]).toEqual([1, 5, 4]);
    playhead.go(-1);
    expect([store.playhead.run, ...shown(store)]).toEqual([0, 2, 1]);
    playhead.go(1);
    // What fired in the first generation is known in the second.
    expect([store.playhead.run, store.session.runs]).toEqual([1, 2]);
    expect(store.session.features.map(({ fired }) => fired)).toEqual([2, 2, 1, 1]);
  });

  it("still ends if its frames repeat earlier ones, as after a break", () => {
    const [first = started(1), ...others] = generation(1, 3);
    const again = others.map((frame) => ({ ...frame, seq: 2 }));
    const { clock, store } = opened([first, ...again]);
    expect(clock.run(50)).toBeLessThan(50);
    expect([store.session.ahead, store.playhead.playing]).toEqual([0, false]);
  });
});

describe("speed", () => {
  it("shortens the waits; infinite speed skips them", () => {
    const { playhead, clock, store } = opened(generation(1, 5));
    clock.run(1);
    const [, before = 0] = clock.waits;
    playhead.setSpeed(4);
    expect(clock.waits.at(-1)).toBeCloseTo(before / 4);
    playhead.setSpeed(Infinity);
    expect([clock.run(), store.playhead.at, store.playhead.playing]).toEqual([0, 6, false]);
  });
});

/** A room that has streamed all of a generation but its end. */
function room(made: number, pace = Infinity) {
  const clock = new Clock();
  const store = new Store(clock.wait);
  store.playhead.pace = pace;
  for (const frame of generation(1, made).slice(0, -1)) store.apply(frame);
  return { store, clock, playhead: store.playhead };
}

describe("a live room", () => {
  it("can be looked back over while it goes on, and caught up with", () => {
    const { store, playhead, clock } = room(3);
    expect(playhead.followsLive).toBe(true);
    playhead.toggle();
    expect([playhead.token?.index, playhead.playing]).toEqual([4, false]);
    store.apply(token(6, 3, " x", []));
    expect([playhead.at, playhead.length]).toEqual([4, 6]);
    playhead.step(-1);
    playhead.play();
    clock.run();
    expect([playhead.at, playhead.followsLive, playhead.playing]).toEqual([5, true, false]);
    playhead.seek(0);
    playhead.toEnd();
    expect(playhead.followsLive).toBe(true);
  });

  it("shows a text at a pace, although all of it has come", () => {
    const { store, playhead, clock } = room(3, 4);
    store.apply(finished(6));
    expect([...shown(store), playhead.length, store.session.phase]).toEqual([
      2,
      1,
      5,
      "generating",
    ]);
    expect([store.room.stream.phase, playhead.playing]).toEqual(["finished", true]);
    expect(clock.run(2)).toBe(2);
    expect(clock.waits).toEqual([250, 250, 250]);
    expect([...shown(store), store.session.features.length]).toEqual([4, 3, 4]);
    clock.run();
    expect([...shown(store), store.session.phase]).toEqual([5, 4, "finished"]);
    expect(playhead.playing).toBe(false);
  });

  it("waits for the next token at a pace, and goes on when it comes", () => {
    const { store, playhead, clock } = room(1, 4);
    clock.run();
    expect([...shown(store), playhead.playing, playhead.followsLive]).toEqual([3, 2, false, true]);
    store.apply(token(4, 1, " x", []));
    expect(shown(store)).toEqual([3, 2]);
    clock.run();
    expect(shown(store)).toEqual([4, 3]);
  });

  it("stands still at a pace where one has stopped it, and catches up when asked", () => {
    const { store, playhead, clock } = room(4, 4);
    clock.run(1);
    playhead.pause();
    store.apply(token(7, 4, " x", []));
    expect([clock.run(), ...shown(store)]).toEqual([0, 3, 2]);
    playhead.toEnd();
    expect(shown(store)).toEqual([7, 6]);
  });

  it("leaves what is left of a text when the next begins, and has counted it", () => {
    const { store, clock } = room(4, 4);
    clock.run(1);
    for (const frame of generation(7, 1).slice(0, 2)) store.apply(frame);
    expect([...shown(store), store.session.runs]).toEqual([2, 1, 2]);
    expect(store.session.features.map(({ fired }) => fired)).toEqual([2, 2, 1, 1, 1, 1]);
  });

  it("keeps no text but the newest", () => {
    const { store } = room(4);
    for (let i = 0; i < 9; i += 1) store.apply(started(7 + i));
    expect(store.room.stream.runs).toHaveLength(1);
  });
});

/** The log of the only run of a recording. */
function logOf(frames: Recorded[]) {
  const stream = new Stream();
  for (const { frame, time } of frames) stream.apply(frame, time);
  return stream.newest?.branch(0) ?? null;
}

describe("the generations of a recording", () => {
  it("are cut where one begins, with its time in the queue", () => {
    const queued: Frame = { type: "queued", seq: 6, position: 1 };
    const { store, playhead } = opened([...generation(1, 2), queued, ...generation(7, 1)]);
    expect([playhead.runs, playhead.length, store.session.log?.given]).toEqual([2, 4, 2]);
    playhead.toEnd();
    expect(store.session.phase).toBe("finished");
  });

  it("keep their recorded times, within the shortest and the longest pause", () => {
    const times = [0, 0, 2, 2.5, 2.501, 60, 60];
    const log = logOf(recorded(generation(1, 4), (i) => times[i] ?? null));
    const pauses = [2, 3, 4, 5].map((index) => pauseBefore(log, index));
    expect(pauses).toEqual([2000, 500, 100, 3000]);
  });

  it("play at reading speed if the file has no times, as does a live room", () => {
    const log = logOf(recorded(generation(1, 2)));
    expect(pauseBefore(log, 3)).toBe(pauseBefore(null, 3));
    expect(pauseBefore(log, 2)).toBeGreaterThan(pauseBefore(null, 2));
  });
});
