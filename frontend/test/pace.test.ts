import { describe, expect, it } from "vitest";
import { Store } from "../src/state/store";
import { replayWanted } from "../src/ui/address-bar";
import type { Frame } from "../src/wire/types";
import { started, token } from "./frames";
import { Clock, generation, opened, room, shown } from "./playing";

describe("pace", () => {
  it("is that of a recording, where its address does not say how fast", () => {
    const { playhead, clock, store } = opened(generation(1, 5), { speed: null });
    playhead.setPace(2);
    clock.run(1);
    expect([clock.waits.at(-1), playhead.beat]).toEqual([500, 500]);
    playhead.setPace(0.1);
    expect(clock.waits.at(-1)).toBe(10_000);
    playhead.setPace(Infinity);
    expect([clock.waits.at(-1), playhead.beat]).toEqual([220, 0]);
    clock.run();
    expect([store.playhead.at, store.playhead.playing]).toEqual([6, false]);
  });

  it("is faster than recorded where the address says so, until another is chosen", () => {
    const { playhead, clock } = opened(generation(1, 5), { speed: 4 });
    clock.run(1);
    expect(clock.waits.at(-1)).toBe(220 / 4);
    playhead.setPace(2);
    expect(clock.waits.at(-1)).toBe(500);
  });

  it("of 0 shows the next token when asked, as the newest", () => {
    const { store, clock, playhead } = room(3, 0);
    expect([clock.run(), ...shown(store), playhead.length]).toEqual([0, 2, 1, 5]);
    playhead.step(1);
    expect([...shown(store), playhead.token]).toEqual([3, 2, null]);
    playhead.toggle();
    expect([clock.run(), ...shown(store), playhead.token]).toEqual([0, 4, 3, null]);
    playhead.step(-1);
    playhead.step(1);
    expect([...shown(store), playhead.token?.index]).toEqual([4, 3, 3]);
  });

  it("leaves alone what a room had streamed before the page came", () => {
    const { store } = late(3);
    expect(shown(store)).toEqual([5, 4]);
    const [next = started(8), ...others] = generation(8, 3);
    for (const frame of [{ ...next, time: 51 } as Frame, ...others]) store.apply(frame);
    expect([...shown(store), store.playhead.playing]).toEqual([2, 1, true]);
  });
});

/** A page that came when a text had been written, of which it has got `made` tokens so far. */
function late(made: number) {
  const clock = new Clock();
  const store = new Store(clock.wait);
  store.playhead.setPace(2);
  const here: Frame = {
    type: "room", seq: 0, time: 50, room: "r", role: "viewer", viewers: 1, open: false,
  }; // prettier-ignore
  const [begun = started(1), ...rest] = generation(1, 3);
  const told = [{ ...begun, time: 49 } as Frame, ...rest];
  for (const frame of [here, ...told.splice(0, 2 + made)]) store.apply(frame);
  return { store, playhead: store.playhead, told };
}

describe("who follows a presenter", () => {
  it("sees the same token at the same beat, and not what has come beyond it", () => {
    const { store, clock, playhead } = room(5, 4);
    playhead.lead(2);
    expect([clock.run(), ...shown(store), playhead.token]).toEqual([0, 3, 2, null]);
    playhead.lead(3);
    expect([...shown(store), playhead.token]).toEqual([4, 3, null]);
    store.apply(token(8, 5, " x", []));
    expect(shown(store)).toEqual([4, 3]);
    playhead.lead(1);
    expect([...shown(store), playhead.token?.index]).toEqual([4, 1, 1]);
    playhead.lead(null);
    expect([...shown(store), playhead.token]).toEqual([8, 7, null]);
  });

  it("looks at the presenter's token in a text that began earlier, once it has come", () => {
    const { store, playhead, told } = late(0);
    playhead.lead(3);
    expect([...shown(store), playhead.token]).toEqual([2, 1, null]);
    for (const frame of told) store.apply(frame);
    expect([...shown(store), playhead.token?.index]).toEqual([5, 3, 3]);
    playhead.lead(null);
    expect([...shown(store), playhead.token]).toEqual([5, 4, null]);
  });

  it("waits for a token that has not come yet", () => {
    const { store, playhead } = room(1, 4);
    playhead.lead(4);
    expect(shown(store)).toEqual([3, 2]);
    for (const step of [1, 2, 3]) store.apply(token(3 + step, step, " x", []));
    expect(shown(store)).toEqual([5, 4]);
  });

  it("sees the prompt of the next text first, and goes on alone when nobody leads", () => {
    const { store, clock, playhead } = room(3, 4);
    playhead.lead(4);
    for (const frame of generation(6, 3)) store.apply(frame);
    expect([...shown(store), playhead.playing]).toEqual([2, 1, false]);
    playhead.lead(undefined);
    expect(playhead.playing).toBe(true);
    clock.run();
    expect(shown(store)).toEqual([5, 4]);
  });
});

describe("a recording in the address", () => {
  const wanted = (search: string, still: boolean) =>
    replayWanted(new URLSearchParams(search), still)?.speed;

  it("plays at the display's pace, or as the address says", () => {
    expect(wanted("replay=x", false)).toBeNull();
    expect(wanted("replay=x&pace=2", false)).toBe(0.5);
    expect(wanted("replay=x&pace=0", false)).toBe(Infinity);
  });

  it("stands still where motion is to be reduced, if the address does not say how fast", () => {
    expect(wanted("replay=x", true)).toBe(Infinity);
    expect(wanted("replay=x&pace=2", true)).toBe(0.5);
  });
});
