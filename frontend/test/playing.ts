/** A playhead with a clock of its own, in a recording and in a room. */
import type { Playhead } from "../src/state/playhead";
import { Store } from "../src/state/store";
import type { Recorded } from "../src/wire/recording";
import type { Frame } from "../src/wire/types";
import { feature, finished, started, token } from "./frames";

/** A clock that runs only when told to. */
export class Clock {
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

export const PROMPT = ["The", " capital"];

/** A generation with two given tokens and `made` of its own, numbered on from `seq`. */
export function generation(seq: number, made: number): Frame[] {
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

export function recorded(
  frames: Frame[],
  time: (i: number) => number | null = () => null,
): Recorded[] {
  return frames.map((frame, i) => ({ frame, time: time(i) }));
}

export function opened(frames: Frame[], start: Partial<Parameters<Playhead["open"]>[1]> = {}) {
  const clock = new Clock();
  const store = new Store(clock.wait);
  const { playhead } = store;
  playhead.open(recorded(frames), { speed: 1, at: null, run: null, ...start });
  return { store, clock, playhead };
}

export const shown = ({ session, playhead }: Store) => [session.tokens.length, playhead.at];

/** A room that has streamed all of a generation but its end. */
export function room(made: number, pace = Infinity) {
  const clock = new Clock();
  const store = new Store(clock.wait);
  store.playhead.setPace(pace);
  for (const frame of generation(1, made).slice(0, -1)) store.apply(frame);
  return { store, clock, playhead: store.playhead };
}
