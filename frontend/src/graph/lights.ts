/** The light of every node: what it should be at the moment looked at, and the way there. */
import { FLOOR } from "../session/fade";
import { lightsAt } from "../session/moment";
import { neighbours } from "../session/query";
import type { Store } from "../session/store";

/** A node's light settles with this time constant, and a swelling is gone after about 200 ms. */
const SETTLE_MS = 70;
const PULSE_MS = 65;
/** Light lent to the chosen feature and to those it fires with. */
const CHOSEN_LIGHT = 0.75;
const NEIGHBOUR_LIGHT = 0.5;
/** What is left of everybody else's light meanwhile. */
const STEP_BACK = 0.45;
/** Features fired together with the chosen one that are lifted out of the dark. */
export const NEIGHBOURS_SHOWN = 8;
const HIDDEN = -1;

export class Lights {
  /** By feature number; below 0 is hidden. */
  glow = new Float32Array(512);
  pulse = new Float32Array(512);
  private target = new Float32Array(512);
  private count = 0;
  private moving = false;

  /** Reads from the store what every node should look like now. */
  aim(store: Store): void {
    const { features } = store.session;
    this.reserve(features.length);
    for (; this.count < features.length; this.count += 1) {
      this.glow[this.count] = 0;
      this.pulse[this.count] = 0;
    }
    const { session, token } = store;
    const then = token && lightsAt(session, token.index);
    for (const feature of features) {
      this.target[feature.index] = then ? (then.get(feature) ?? FLOOR) : session.glowOf(feature);
    }
    this.lendToChosen(store);
    for (const feature of features) {
      if (!store.shows(feature.source)) this.target[feature.index] = HIDDEN;
    }
    this.moving = true;
  }

  /** A feature fired at the newest token: swell. */
  fire(index: number): void {
    this.pulse[index] = 1;
    this.moving = true;
  }

  /** Moves the lights on by `ms`. Returns whether any is still on its way. */
  step(ms: number, still: boolean): boolean {
    if (!this.moving) return false;
    const settle = still ? 0 : Math.exp(-ms / SETTLE_MS);
    const calm = still ? 0 : Math.exp(-ms / PULSE_MS);
    let farthest = 0;
    for (let i = 0; i < this.count; i += 1) {
      const target = this.target[i] ?? 0;
      const away = target === HIDDEN ? 0 : ((this.glow[i] ?? 0) - target) * settle;
      this.glow[i] = target + away;
      this.pulse[i] = (this.pulse[i] ?? 0) * calm;
      farthest = Math.max(farthest, Math.abs(away), this.pulse[i] ?? 0);
    }
    this.moving = farthest > 0.004;
    return true;
  }

  private lendToChosen(store: Store): void {
    const { chosen } = store;
    if (!chosen) return;
    const company = neighbours(store.session, chosen, NEIGHBOURS_SHOWN);
    const apart = new Set([chosen, ...company.map(({ feature }) => feature)]);
    for (const feature of store.session.features) {
      const light = this.target[feature.index] ?? 0;
      if (!apart.has(feature)) this.target[feature.index] = Math.max(FLOOR, STEP_BACK * light);
    }
    this.lift(chosen.index, CHOSEN_LIGHT);
    for (const { feature } of company) {
      this.lift(feature.index, NEIGHBOUR_LIGHT);
    }
  }

  private lift(index: number, light: number): void {
    this.target[index] = Math.max(this.target[index] ?? 0, light);
  }

  private reserve(count: number): void {
    if (count <= this.glow.length) return;
    const grow = (old: Float32Array): Float32Array<ArrayBuffer> => {
      const array = new Float32Array(Math.max(count, 2 * old.length));
      array.set(old);
      return array;
    };
    this.glow = grow(this.glow);
    this.pulse = grow(this.pulse);
    this.target = grow(this.target);
  }
}
