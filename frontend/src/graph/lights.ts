/** The light of every node: what it should be at the token on show, and the way there. */
import { grown } from "../state/arrays";
import { AFTERGLOW, FLOOR, LightSet, lightsAt } from "../state/light";
import type { Token } from "../state/log";
import type { Store } from "../state/store";

/** Time constants: of a node's light, and of its swelling, which is gone after about 200 ms. */
const SETTLE_MS = 70;
const PULSE_MS = 65;
/** Light climbs from the lowest storey to the highest in this share of a beat, and in no more time. */
const CLIMB = 0.4;
const LONGEST_CLIMB_MS = 500;
/** A light nearer to its target than this has arrived. */
const CLOSE = 0.004;
const HIDDEN = -1;
/** Light of what has fired in an earlier run and not in this one: dust. */
export const DUST = 0.01;

export class Lights {
  /** By feature number; below 0 is hidden. */
  glow = new Float32Array(512);
  /** What the glow is moving to. */
  target = new Float32Array(512);
  /** Swelling of a feature that has just fired, 1 to 0. */
  pulse = new Float32Array(512);
  /** 1 for the features of the token on show, which are drawn above all others. */
  fresh = new Float32Array(512);
  /** Milliseconds until the light of a feature that has just fired is there: higher storeys wait. */
  wait = new Float32Array(512);
  /** Features that the last step has changed: the first `touchedCount` entries. */
  touched = new Uint32Array(512);
  touchedCount = 0;
  /** 1 for each of them. */
  isTouched = new Uint8Array(512);
  private shown = new Uint8Array(512);
  private moving = new Uint32Array(512);
  private movingCount = 0;
  private isMoving = new Uint8Array(512);
  private count = 0;
  private passVersion: object | null = null;
  private seen = { runs: 0, tokens: 0 };
  /** The token that was looked at last. */
  private at: Token | null = null;
  /** Lights above the floor, now and before: all others are at the floor, or hidden. */
  private lit = new LightSet();
  private before = new LightSet();
  /** 1 for each feature that fires at the token on show. */
  firing = new Uint8Array(512);
  private fired: Token | undefined;

  /** Reads from the store what every node should look like now; touches only what has changed. */
  aim(store: Store): void {
    const { features } = store.session;
    this.reserve(features.length);
    const same = this.passVersion === store.passVersion && this.seen.runs === store.session.runs;
    const again = same ? this.count : 0;
    this.passVersion = store.passVersion;
    this.count = features.length;
    for (let i = again; i < this.count; i += 1) this.askAgain(store, i);
    this.takeTokens(store);
    const { at, token } = store.playhead;
    if (token !== this.at) this.swell(store, token);
    const newest = store.session.tokens[at];
    this.fired?.eachActive(({ index }) => (this.firing[index] = 0));
    newest?.eachActive(({ index }) => (this.firing[index] = 1));
    this.fired = newest;
    [this.lit, this.before] = [this.before, this.lit];
    const { lit, before } = this;
    lightsAt(store.session, at, lit);
    this.shade(newest);
    for (let k = 0; k < before.count; k += 1) {
      const i = before.indices[k] ?? 0;
      if (!lit.has(i)) this.set(i, this.ground(store, i), 0);
    }
    for (let k = 0; k < lit.count; k += 1) {
      const i = lit.indices[k] ?? 0;
      this.set(i, lit.light[i] ?? FLOOR, this.firing[i] ?? 0);
    }
  }

  /** A feature fired at the newest token, or has just found its place: swell. */
  fire(index: number): void {
    this.pulse[index] = 1;
    this.move(index);
  }

  restart(): void {
    for (const array of [this.glow, this.target, this.pulse, this.fresh, this.wait]) array.fill(0);
    this.isMoving.fill(0);
    this.firing.fill(0);
    this.fired = undefined;
    this.lit.clear();
    this.before.clear();
    this.movingCount = 0;
    this.count = 0;
    this.passVersion = null;
    this.seen = { runs: 0, tokens: 0 };
  }

  /**
   * Advances the moving lights by `ms`, or to their targets at once if `still`. Returns whether any
   * has changed, and leaves those in `touched`.
   */
  step(ms: number, still: boolean): boolean {
    for (let k = 0; k < this.touchedCount; k += 1) this.isTouched[this.touched[k] ?? 0] = 0;
    this.touchedCount = this.movingCount;
    const settle = still ? 0 : Math.exp(-ms / SETTLE_MS);
    const calm = still ? 0 : Math.exp(-ms / PULSE_MS);
    let left = 0;
    for (let k = 0; k < this.movingCount; k += 1) {
      const i = this.moving[k] ?? 0;
      this.touched[k] = i;
      this.isTouched[i] = 1;
      const waiting = this.wait[i] ?? 0;
      if (waiting > 0) this.wait[i] = still ? 0 : Math.max(0, waiting - ms);
      if (waiting <= ms || still ? this.advance(i, settle, calm) : false) this.isMoving[i] = 0;
      else this.moving[left++] = i;
    }
    this.movingCount = left;
    return this.touchedCount > 0;
  }

  get isSettled(): boolean {
    return this.movingCount === 0;
  }

  /** The features whose light is to be at least this, in no order. */
  above(least: number): number[] {
    const { indices, count } = this.lit;
    const found: number[] = [];
    for (let k = 0; k < count; k += 1) {
      const i = indices[k] ?? 0;
      if ((this.target[i] ?? 0) >= least) found.push(i);
    }
    return found;
  }

  /** Features that have a light. */
  get size(): number {
    return this.count;
  }

  /** Advances one light; returns whether it has arrived. */
  private advance(i: number, settle: number, calm: number): boolean {
    const target = this.target[i] ?? 0;
    const away = target === HIDDEN ? 0 : (Math.max(0, this.glow[i] ?? 0) - target) * settle;
    const pulse = (this.pulse[i] ?? 0) * calm;
    const arrived = Math.abs(away) < CLOSE && pulse < CLOSE;
    this.glow[i] = arrived ? target : target + away;
    this.pulse[i] = arrived ? 0 : pulse;
    return arrived;
  }

  private move(i: number): void {
    if (this.isMoving[i] === 1) return;
    this.isMoving[i] = 1;
    this.moving[this.movingCount++] = i;
  }

  private set(i: number, light: number, fresh: number): void {
    const target = this.shown[i] === 1 ? light : HIDDEN;
    if (this.target[i] === target && this.fresh[i] === fresh) return;
    this.target[i] = target;
    this.fresh[i] = fresh;
    this.move(i);
  }

  /** Asks the store whether a feature is on show. */
  private askAgain(store: Store, i: number): void {
    const feature = store.session.features[i];
    this.shown[i] = feature && store.passes(feature) ? 1 : 0;
    const light = this.lit.has(i) ? this.lit.at(i) : this.ground(store, i);
    this.set(i, light, this.fresh[i] ?? 0);
  }

  /** The light of a feature that has not fired of late. */
  private ground({ session }: Store, index: number): number {
    const feature = session.features[index];
    return feature && session.timesOf(feature) > 0 ? FLOOR : DUST;
  }

  /** Features of new tokens swell, and are filtered again: having fired, they may pass now. */
  private takeTokens(store: Store): void {
    const { runs, tokens } = store.session;
    if (runs !== this.seen.runs) this.seen = { runs, tokens: 0 };
    for (let t = this.seen.tokens; t < tokens.length; t += 1) {
      tokens[t]?.eachActive(({ index }) => {
        this.askAgain(store, index);
        this.fire(index);
      });
    }
    if (this.seen.tokens < tokens.length) this.climb(store, tokens.at(-1));
    this.seen.tokens = tokens.length;
  }

  /** The features of a token wait for their turn, storey by storey, as the pass rises. */
  private climb(store: Store, token: Token | null | undefined): void {
    const time = Math.min(LONGEST_CLIMB_MS, CLIMB * store.playhead.beat);
    if (time === 0) return;
    const sources = store.sourceIds();
    token?.eachActive(({ index, source }) => {
      this.wait[index] = (time * Math.max(0, sources.indexOf(source))) / sources.length;
    });
  }

  /** The features of a token just looked at swell, as they did when it was the newest. */
  private swell(store: Store, token: Token | null): void {
    this.at = token;
    token?.eachActive(({ index }) => this.fire(index));
    if (store.playhead.playing) this.climb(store, token);
  }

  /** What is not of the newest token loses light at once, and fades from there. */
  private shade(newest: Token | undefined): void {
    const { lit } = this;
    newest?.eachActive(({ index }) => lit.raise(index, FLOOR));
    for (let k = 0; k < lit.count; k += 1) {
      const i = lit.indices[k] ?? 0;
      if (this.firing[i] === 1) continue;
      lit.light[i] = Math.max(FLOOR, AFTERGLOW * (lit.light[i] ?? 0));
    }
  }

  private reserve(count: number): void {
    this.glow = grown(this.glow, count);
    this.target = grown(this.target, count);
    this.pulse = grown(this.pulse, count);
    this.fresh = grown(this.fresh, count);
    this.wait = grown(this.wait, count);
    this.touched = grown(this.touched, count);
    this.isTouched = grown(this.isTouched, count);
    this.shown = grown(this.shown, count);
    this.moving = grown(this.moving, count);
    this.isMoving = grown(this.isMoving, count);
    this.firing = grown(this.firing, count);
  }
}
