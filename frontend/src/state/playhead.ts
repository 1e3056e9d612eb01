/**
 * Which token is shown, and how it gets there. A recording and a room differ only in where their
 * tokens come from: both lie in a log, which the playhead goes through. The display has a pace of its
 * own, so the log may be ahead of it. It is
 *
 * - paced: it shows what has come at `pace` tokens a second, or the next one when asked (0);
 * - live: it shows each token as it comes, and of a recording at the recorded times;
 * - led: it shows what the presenter's page shows;
 * - scrubbed: it stands at a token, whatever else comes.
 */
import type { Recorded } from "../wire/recording";
import { isRunning, type Log, type Run, type Token } from "./log";
import { Session } from "./session";
import { batch, signal } from "./signals";
import type { Store } from "./store";
import { Stream } from "./stream";

/** Runs `action` after `ms`; the result cancels it. */
export type Wait = (ms: number, action: () => void) => () => void;

/** Time from one token to the next if no times are known; about reading speed. */
const TOKEN_MS = 220;
/** Least time for which the prompt is shown before the first token. */
const PROMPT_MS = 1200;
/** The longest and the shortest pause before a token, whatever the recorded times say. */
const LONGEST_MS = 3000;
const SHORTEST_MS = 100;
/** The time of a beat that ends when somebody asks for the next token. */
const STEP_MS = 1000;

export interface Start {
  /** 1 is the recording's own speed, Infinity shows its end at once; null for the display's pace. */
  speed: number | null;
  /** Token to stop at, null to play. */
  at: number | null;
  /** Run to begin with, from 0; null for the first, at infinite speed for the last. */
  run: number | null;
}

export class Playhead {
  private readonly moving = signal(false);
  private readonly rate = signal(Infinity);
  /** Somebody goes step by step through what has come: it stands at the newest shown. */
  private readonly held = signal(false);
  /** How much faster than recorded a recording is played, where its address says so. */
  private factor: number | null = null;
  /** The runs of a recording, and which of them is on show. */
  private readonly recorded = signal<{ runs: readonly Run[]; run: number }>({ runs: [], run: 0 });
  private cancel: (() => void) | null = null;
  /** The token that the presenter's page shows, null for the newest; undefined: nobody leads. */
  private leader: number | null | undefined;
  /** The run on show began before this page came: it is shown as far as it is. */
  private late = false;

  constructor(
    private readonly store: Store,
    private readonly wait: Wait,
  ) {}

  /** Index of the token that it stands at; null where it follows the newest one shown. */
  private get stand(): number | null {
    return this.store.token;
  }

  private set stand(token: number | null) {
    this.store.token = token;
  }

  /** The token looked at; null while it follows the newest. */
  get token(): Token | null {
    const { stand } = this;
    return stand === null ? null : (this.store.session.tokens[stand] ?? null);
  }

  /** Index of the token on show: the one looked at, else the newest shown; -1 before there is one. */
  get at(): number {
    return this.token?.index ?? this.store.session.tokens.length - 1;
  }

  /** Tokens of this run, with those that have come and are not shown yet. */
  get length(): number {
    const { session } = this.store;
    return session.tokens.length + session.ahead;
  }

  get playing(): boolean {
    return this.moving.value;
  }

  /**
   * Tokens a second that are shown at most: 0 shows the next one when asked, Infinity each as it
   * comes, or as it was recorded.
   */
  get pace(): number {
    return this.rate.value;
  }

  /** Milliseconds to the next token, as far as the pace says; 0 where each is shown as it comes. */
  get beat(): number {
    if (this.leader !== undefined) return this.leader === null ? 0 : STEP_MS / 2;
    const { pace } = this;
    if (this.late || this.factor !== null || pace === Infinity) return 0;
    return pace === 0 ? STEP_MS : 1000 / pace;
  }

  /** The run on show, from 0, and how many the recording has; 0 for a room. */
  get run(): number {
    return this.recorded.value.run;
  }

  get runs(): number {
    return this.recorded.value.runs.length;
  }

  get generatesLive(): boolean {
    return this.store.origin === "live" && isRunning(this.store.session.phase);
  }

  /** Whether it follows the newest token of a running generation. */
  get followsLive(): boolean {
    return this.stand === null && this.generatesLive && !this.held.value;
  }

  /** Shows a recording, until a generation begins in the room. */
  open(frames: readonly Recorded[], { speed, at, run }: Start): void {
    const stream = new Stream();
    for (const { frame, time } of frames) stream.apply(frame, time);
    batch(() => {
      this.close();
      const last = stream.runs.length - 1;
      const wanted = run ?? (speed === Infinity ? last : 0);
      this.enter(stream, Math.min(last, Math.max(0, wanted)));
      this.factor = speed === Infinity ? null : speed;
      if (at !== null) {
        this.store.session.reveal(Infinity);
        this.seek(at);
      } else if (speed === Infinity) this.toEnd();
      else this.play();
    });
  }

  /** Stops and forgets the recording. */
  close(): void {
    this.stop();
    this.factor = null;
    this.recorded.value = { runs: [], run: 0 };
  }

  /** Something has come in the room that is on show. */
  arrived(): void {
    const { session, room } = this.store;
    const { newest } = session.stream;
    if (newest && !session.shows(newest)) {
      this.stop();
      session.begin(newest);
      session.stream.forget();
      this.stand = null;
      this.held.value = false;
      this.late = room.missed(newest);
      // Where the presenter stands in this run is told anew.
      if (this.leader !== undefined) this.leader = this.late ? null : -1;
    }
    this.goOn();
  }

  /**
   * Shows what the presenter's page shows: a token, null for the newest that has come. With
   * undefined, this page goes on at its own pace.
   */
  lead(token: number | null | undefined): void {
    const before = this.leader;
    this.leader = token;
    if (token === before || this.store.origin === "recording") return;
    if (token === undefined) this.goOn();
    else if (token !== null && token < this.store.session.tokens.length) this.lookAt(token);
    else {
      this.lookAt(null);
      this.goOn();
    }
  }

  /** Goes on with what has come: as it is led, or at its pace. */
  private goOn(): void {
    const { session } = this.store;
    const { leader } = this;
    const given = session.log?.given ?? 0;
    if (leader !== undefined) {
      const whole = leader === null || this.late;
      session.reveal(whole ? Infinity : Math.max(given, leader + 1));
      // The log of a text that began earlier comes in parts: this one may have the token.
      const there = leader !== null && leader >= 0 && leader < session.tokens.length;
      if (this.late && there && this.stand === null) this.stand = leader;
      return;
    }
    session.reveal(this.late || this.pace === Infinity ? Infinity : given);
    const stands = this.stand !== null || this.held.value || this.pace === 0;
    if (stands || session.ahead === 0 || this.playing) return;
    this.moving.value = true;
    this.schedule();
  }

  toggle(): void {
    if (this.pace > 0 && (this.playing || this.followsLive)) this.pause();
    else this.play();
  }

  /** Plays on from the token on show; from the end, plays again from the prompt. */
  play(): void {
    if (this.length === 0) return;
    const ended = this.at >= this.length - 1 && !this.generatesLive && !this.hasNext;
    if (ended) this.stand = Math.max(0, (this.log?.given ?? 0) - 1);
    if (this.pace === 0) {
      if (!ended) this.step(1);
      return;
    }
    this.held.value = false;
    this.moving.value = true;
    this.schedule();
  }

  /** Stops at the token on show, whatever comes after it. */
  pause(): void {
    this.stop();
    if (this.at >= 0) this.stand = this.at;
  }

  /** Looks at a token that is shown, or follows the newest if null; playback stops. */
  lookAt(index: number | null): void {
    this.stop();
    this.held.value = false;
    this.stand = index;
  }

  /** Goes to a token, clamped to those there are; those before it are shown as well. */
  seek(index: number): void {
    const wanted = Math.max(0, Math.min(index, this.length - 1));
    const { session } = this.store;
    session.reveal(wanted + 1);
    this.lookAt(session.tokens.length > 0 ? wanted : null);
  }

  /** Goes to another branch of this run, as far as this one is shown. */
  choose(branch: number): void {
    const { session } = this.store;
    if (branch === session.branch || branch >= session.width) return;
    batch(() => {
      const count = session.ahead === 0 ? Infinity : session.tokens.length;
      session.choose(branch);
      session.reveal(count);
      if ((this.stand ?? 0) >= session.tokens.length) this.stand = null;
    });
  }

  step(by: number): void {
    const { session } = this.store;
    // The next one that has come is shown as the newest, not as one looked back at.
    const next = by === 1 && session.ahead > 0 && this.at === session.tokens.length - 1;
    this.seek(this.at + by);
    if (!next || this.factor !== null || this.pace === Infinity) return;
    this.stand = null;
    this.held.value = true;
  }

  /** Goes to the newest token, and follows the next ones. */
  toEnd(): void {
    this.store.session.reveal(Infinity);
    this.lookAt(null);
  }

  setPace(pace: number): void {
    this.rate.value = pace;
    this.factor = null;
    this.held.value = false;
    if (pace === 0) this.stop();
    else if (this.playing) this.schedule();
    else if (this.store.origin === "live") this.arrived();
  }

  /** Goes to another run of the recording, at its prompt. */
  go(by: number): void {
    const { playing } = this;
    const wanted = this.run + by;
    if (wanted < 0 || wanted >= this.runs) return;
    const { wanted: chosen, session } = this.store;
    this.stop();
    batch(() => {
      this.enter(session.stream, wanted);
      this.store.choose(chosen);
      if (playing) this.play();
      else this.pause();
    });
  }

  private get log(): Log | null {
    return this.store.session.log;
  }

  private get hasNext(): boolean {
    return this.run < this.runs - 1;
  }

  /** Begins a run. The earlier ones come first, since their features count. */
  private enter(stream: Stream, run: number): void {
    const session = new Session(stream);
    this.store.show(session);
    this.recorded.value = { runs: stream.runs, run };
    for (const earlier of stream.runs.slice(0, run)) session.begin(earlier);
    this.begin(run);
  }

  private begin(run: number): void {
    const { runs } = this.recorded.value;
    const next = runs[run];
    if (!next) return;
    const { session } = this.store;
    this.recorded.value = { runs, run };
    this.stand = null;
    session.begin(next);
    session.reveal(Math.max(1, session.log?.given ?? 0));
  }

  private tick = (): void => {
    this.cancel = null;
    batch(() => {
      const { session } = this.store;
      const newest = session.tokens.length - 1;
      if (this.at < newest) this.stand = this.at + 1 < newest ? this.at + 1 : null;
      else if (session.ahead > 0) session.reveal(newest + 2);
      else if (this.hasNext) this.begin(this.run + 1);
      if (this.at >= this.length - 1 && !this.hasNext) this.moving.value = false;
      else this.schedule();
    });
  };

  private schedule(): void {
    this.cancel?.();
    this.cancel = this.wait(this.pauseMs, this.tick);
  }

  /** Milliseconds to the next token. */
  private get pauseMs(): number {
    if (this.at >= this.length - 1) return LONGEST_MS;
    if (this.factor === null && this.pace < Infinity) return 1000 / this.pace;
    return pauseBefore(this.log, this.at + 1) / (this.factor ?? 1);
  }

  private stop(): void {
    this.cancel?.();
    this.cancel = null;
    this.moving.value = false;
  }
}

/** Milliseconds from the token before `index` to this one, at the run's own speed. */
export function pauseBefore(log: Log | null, index: number): number {
  if (log === null || index < log.given) return TOKEN_MS;
  const first = index === log.given;
  const [before, time] = [log.tokens[index - 1]?.time ?? null, log.tokens[index]?.time ?? null];
  if (before === null || time === null) return first ? PROMPT_MS : TOKEN_MS;
  return Math.min(LONGEST_MS, Math.max(first ? PROMPT_MS : SHORTEST_MS, 1000 * (time - before)));
}

/** The browser's own clock. */
export const browserWait: Wait = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};
