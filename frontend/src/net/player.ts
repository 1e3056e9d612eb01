/**
 * Goes through a generation token by token: plays, steps, scrubs. This works in the same way for a
 * recording and for what a live room has streamed so far. A recording's frames are given to the
 * store as the player reaches them.
 */
import { Session } from "../session/session";
import type { Playback, Store } from "../session/store";
import type { Recorded } from "../wire/recording";
import { BETWEEN_GENERATIONS_MS, type Generation, generationsOf, pauseBefore } from "./replay";

/** Runs `action` after `ms`; the result cancels it. */
export type Wait = (ms: number, action: () => void) => () => void;

export interface Start {
  /** 1 is the recording's own speed; Infinity shows its end at once. */
  speed: number;
  /** Token to stop at, null to play. */
  at: number | null;
  /** Generation to begin with, from 0; null for the first, at infinite speed for the last. */
  run: number | null;
}

export class Player {
  private generations: Generation[] = [];
  /** The next frame of the generation on show. */
  private next = 0;
  private cancel: (() => void) | null = null;

  constructor(
    private readonly store: Store,
    private readonly wait: Wait,
  ) {}

  /** Shows a recording, until a generation begins in the room. */
  open(frames: readonly Recorded[], { speed, at, run }: Start): void {
    this.close();
    this.generations = generationsOf(frames);
    const last = this.generations.length - 1;
    const wanted = run ?? (speed === Infinity ? last : 0);
    this.enter(Math.min(last, Math.max(0, wanted)));
    if (speed !== Infinity) this.set({ speed });
    if (at !== null) {
      this.feedAll();
      this.seek(at);
    } else if (speed === Infinity) this.toEnd();
    else this.play();
  }

  /** Stops playback and forgets the recording. */
  close(): void {
    this.stop();
    this.generations = [];
    this.next = 0;
    this.set({ ahead: 0, run: 0, runs: 0 });
  }

  toggle(): void {
    if (this.store.playback.playing || this.store.followsLive) this.pause();
    else this.play();
  }

  /** Plays on from the token on show; from the end, plays again from the prompt. */
  play(): void {
    const { store } = this;
    if (store.length === 0) return;
    const ended = store.at >= store.length - 1 && !store.generatesLive && !this.hasNext;
    if (ended) store.moveTo(Math.max(0, this.given - 1));
    if (store.playback.speed === Infinity) {
      this.toEnd();
      return;
    }
    this.set({ playing: true });
    this.schedule();
  }

  /** Stops at the token on show, whatever comes after it. */
  pause(): void {
    this.stop();
    if (this.store.at >= 0) this.store.lookAt(this.store.at);
  }

  /** Goes to a token, clamped to those there are; a recording is read as far as needed. */
  seek(index: number): void {
    this.stop();
    const wanted = Math.max(0, Math.min(index, this.store.length - 1));
    while (this.store.session.tokens.length <= wanted && this.feed());
    if (this.store.session.tokens.length > 0) this.store.lookAt(wanted);
  }

  step(by: number): void {
    this.seek(this.store.at + by);
  }

  /** Goes to the newest token, and follows the next ones. */
  toEnd(): void {
    this.stop();
    this.feedAll();
    this.store.lookAt(null);
  }

  setSpeed(speed: number): void {
    this.set({ speed });
    if (!this.store.playback.playing) return;
    if (speed === Infinity) this.toEnd();
    else this.schedule();
  }

  /** Goes to another generation of the recording, at its prompt. */
  go(by: number): void {
    const { run, runs, playing } = this.store.playback;
    const wanted = run + by;
    if (wanted < 0 || wanted >= runs) return;
    const chosen = this.store.chosen?.key ?? null;
    this.stop();
    this.enter(wanted);
    this.store.choose(chosen);
    if (playing) this.play();
    else this.pause();
  }

  private get generation(): Generation | null {
    return this.generations[this.store.playback.run] ?? null;
  }

  private get hasNext(): boolean {
    return this.store.playback.run < this.generations.length - 1;
  }

  /** Number of tokens of the prompt. */
  private get given(): number {
    const made = this.store.session.tokens.findIndex(({ generated }) => generated);
    return made < 0 ? this.store.session.tokens.length : made;
  }

  /** Begins a generation. The earlier ones are read first, since their features count. */
  private enter(run: number): void {
    const { store } = this;
    store.show(new Session());
    for (const { frames } of this.generations.slice(0, run)) {
      for (const { frame } of frames) store.apply(frame);
    }
    this.begin(run);
  }

  private begin(run: number): void {
    this.next = 0;
    const generation = this.generations[run];
    const ahead = generation?.times.length ?? 0;
    this.set({ run, runs: this.generations.length, ahead });
    this.feed();
  }

  private tick = (): void => {
    const { store } = this;
    this.cancel = null;
    // The user has gone to a token meanwhile.
    if (!store.playback.playing) return;
    const newest = store.session.tokens.length - 1;
    if (store.at < newest) store.moveTo(store.at + 1 < newest ? store.at + 1 : null);
    else if (!this.feed() && this.hasNext) this.begin(store.playback.run + 1);
    if (store.at >= store.length - 1 && !this.hasNext) this.set({ playing: false });
    else this.schedule();
  };

  private schedule(): void {
    this.cancel?.();
    const { at, length, playback } = this.store;
    const last = at >= length - 1;
    const pause = last ? BETWEEN_GENERATIONS_MS : pauseBefore(this.generation, at + 1);
    this.cancel = this.wait(pause / playback.speed, this.tick);
  }

  private stop(): void {
    this.cancel?.();
    this.cancel = null;
    if (this.store.playback.playing) this.set({ playing: false });
  }

  /** Gives the store the next token and the other frames around it. False if there is none. */
  private feed(): boolean {
    const frames = this.generation?.frames ?? [];
    const { tokens } = this.store.session;
    let fed = false;
    for (; this.next < frames.length; this.next += 1) {
      const frame = frames[this.next]?.frame;
      if (frame === undefined || (fed && isToken(frame.type))) break;
      this.store.apply(frame);
      fed ||= isToken(frame.type);
    }
    const left = this.next < frames.length ? (this.generation?.times.length ?? 0) : 0;
    this.set({ ahead: Math.max(0, left - tokens.length) });
    return fed;
  }

  private feedAll(): void {
    while (this.feed());
  }

  private set(change: Partial<Playback>): void {
    this.store.set({ playback: { ...this.store.playback, ...change } });
  }
}

function isToken(type: string): boolean {
  return type === "prompt" || type === "token";
}

/** The browser's own clock. */
export const browserWait: Wait = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => {
    clearTimeout(timer);
  };
};
