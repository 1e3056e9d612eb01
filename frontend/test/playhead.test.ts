import { describe, expect, it } from "vitest";
import { pauseBefore } from "../src/state/playhead";
import { Stream } from "../src/state/stream";
import type { Recorded } from "../src/wire/recording";
import type { Frame } from "../src/wire/types";
import { finished, started, token } from "./frames";
import { generation, opened, PROMPT, recorded, room, shown } from "./playing";

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
    expect(clock.run()).toBe(0);
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
