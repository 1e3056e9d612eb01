/** The light of every node: what it should be at the token on show, and the way there. */
import { AFTERGLOW, FLOOR, lightsAt } from "../state/light";
import type { Token } from "../state/log";
import type { Store } from "../state/store";

/** Time constants: of a node's light, and of its swelling, which is gone after about 200 ms. */
const SETTLE_MS = 70;
const PULSE_MS = 65;
/** A light nearer to its target than this has arrived. */
const CLOSE = 0.004;
/** Least light of the chosen feature, and of those it fires with. */
const CHOSEN_LIGHT = 0.75;
const NEIGHBOUR_LIGHT = 0.5;
/** Share of their light that all other features keep then. */
const STEP_BACK = 0.45;
/** How many features that fire with the chosen one get that light. */
const NEIGHBOURS_SHOWN = 8;
const HIDDEN = -1;

export class Lights {
  /** By feature number; below 0 is hidden. */
  glow = new Float32Array(512);
  /** What the glow is moving to. */
  target = new Float32Array(512);
  /** Swelling of a feature that has just fired, 1 to 0. */
  pulse = new Float32Array(512);
  /** 1 for the features of the token on show, which are drawn above all others. */
  fresh = new Float32Array(512);
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
  private passVersion = -1;
  private seen = { runs: 0, tokens: 0 };
  /** The token that was looked at last. */
  private at: Token | null = null;

  /** Reads from the store what every node should look like now. */
  aim(store: Store): void {
    const { session } = store;
    this.reserve(session.features.length);
    this.filter(store);
    this.count = session.features.length;
    this.takeTokens(store);
    const { at, token: lookedAt } = store.playhead;
    const next = new Float32Array(this.count).fill(FLOOR);
    for (const [feature, light] of lightsAt(session, at)) next[feature.index] = light;
    const newest = new Uint8Array(this.count);
    for (const { feature } of session.tokens[at]?.active ?? []) newest[feature.index] = 1;
    this.swellAt(lookedAt);
    dimOlder(next, newest);
    this.lendToChosen(store, next);
    for (let i = 0; i < this.count; i += 1) {
      const target = this.shown[i] === 1 ? (next[i] ?? 0) : HIDDEN;
      const moved = this.target[i] !== target || this.fresh[i] !== newest[i];
      this.target[i] = target;
      this.fresh[i] = newest[i] ?? 0;
      if (moved) this.move(i);
    }
  }

  /** A feature fired at the newest token, or has just found its place: swell. */
  fire(index: number): void {
    this.pulse[index] = 1;
    this.move(index);
  }

  restart(): void {
    for (const array of [this.glow, this.target, this.pulse, this.fresh]) array.fill(0);
    this.isMoving.fill(0);
    this.movingCount = 0;
    this.count = 0;
    this.passVersion = -1;
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
      if (this.advance(i, settle, calm)) this.isMoving[i] = 0;
      else this.moving[left++] = i;
    }
    this.movingCount = left;
    return this.touchedCount > 0;
  }

  get isSettled(): boolean {
    return this.movingCount === 0;
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

  /** Asks the store which features pass: all after a change of filters, else the new ones. */
  private filter(store: Store): void {
    const { features } = store.session;
    const from = this.passVersion === store.passVersion ? this.count : 0;
    this.passVersion = store.passVersion;
    for (let i = from; i < features.length; i += 1) this.askAgain(store, i);
  }

  private askAgain(store: Store, index: number): void {
    const feature = store.session.features[index];
    this.shown[index] = feature && store.passes(feature) ? 1 : 0;
  }

  /** Features of new tokens swell, and are filtered again: having fired, they may pass now. */
  private takeTokens(store: Store): void {
    const { runs, tokens } = store.session;
    if (runs !== this.seen.runs) this.seen = { runs, tokens: 0 };
    for (let t = this.seen.tokens; t < tokens.length; t += 1) {
      for (const { feature } of tokens[t]?.active ?? []) {
        this.askAgain(store, feature.index);
        this.fire(feature.index);
      }
    }
    this.seen.tokens = tokens.length;
  }

  /** The features of a token just looked at swell, as they did when it was the newest. */
  private swellAt(token: Token | null): void {
    if (token === this.at) return;
    this.at = token;
    for (const { feature } of token?.active ?? []) this.fire(feature.index);
  }

  private lendToChosen({ chosen, session }: Store, lights: Float32Array): void {
    if (!chosen) return;
    const apart = new Map([[chosen.index, CHOSEN_LIGHT]]);
    for (const { a, b } of session.links.around(chosen.index, NEIGHBOURS_SHOWN)) {
      apart.set(a === chosen.index ? b : a, NEIGHBOUR_LIGHT);
    }
    for (let i = 0; i < lights.length; i += 1) {
      const light = lights[i] ?? 0;
      const lent = apart.get(i);
      lights[i] = Math.max(lent ?? FLOOR, lent === undefined ? STEP_BACK * light : light);
    }
  }

  private reserve(count: number): void {
    if (count <= this.glow.length) return;
    const size = Math.max(count, 2 * this.glow.length);
    this.glow = grown(this.glow, new Float32Array(size));
    this.target = grown(this.target, new Float32Array(size));
    this.pulse = grown(this.pulse, new Float32Array(size));
    this.fresh = grown(this.fresh, new Float32Array(size));
    this.touched = grown(this.touched, new Uint32Array(size));
    this.isTouched = grown(this.isTouched, new Uint8Array(size));
    this.shown = grown(this.shown, new Uint8Array(size));
    this.moving = grown(this.moving, new Uint32Array(size));
    this.isMoving = grown(this.isMoving, new Uint8Array(size));
  }
}

/** Features that are not of the newest token lose light at once, and fade from there. */
function dimOlder(lights: Float32Array, newest: Uint8Array): void {
  for (let i = 0; i < lights.length; i += 1) {
    if (newest[i] === 0) lights[i] = Math.max(FLOOR, AFTERGLOW * (lights[i] ?? 0));
  }
}

function grown<T extends Float32Array | Uint32Array | Uint8Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
