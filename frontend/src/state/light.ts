/** Light: how bright an activation is, how it fades as the text goes on, and who shines when. */
import { grown } from "./arrays";
import type { Session } from "./session";

/** Tokens after which half of a feature's light is gone. */
export const HALF_LIFE_TOKENS = 6;

/** Light of a feature that has not fired for long: never quite invisible. */
export const FLOOR = 0.06;

/** Share of the light left as soon as the next token is there, so that the newest stands out. */
export const AFTERGLOW = 0.75;

/** The source's level weighs as much as this many sightings of the feature. */
const PRIOR_SIGHTINGS = 3;

/** Share of the light that is left after `tokens` tokens. */
export function recency(tokens: number): number {
  return tokens <= 0 ? 1 : 2 ** (-tokens / HALF_LIFE_TOKENS);
}

export interface PeakEvidence {
  /** Largest activation seen in this room. */
  peak: number;
  /** Tokens at which the feature fired in this room. */
  fired: number;
  /** Maximum over the SAE's training text, where the label store knows it. */
  knownMax: number | null;
}

/**
 * The activation that counts as full strength: the known maximum, or a higher peak seen here. If no
 * maximum is known, the peak is drawn towards the source's usual level until the feature has been
 * seen a few times, since a feature seen once always fires at its own peak.
 */
export function fullScale(feature: PeakEvidence, sourceLevel: number): number {
  if (feature.knownMax !== null && feature.knownMax > 0) {
    return Math.max(feature.knownMax, feature.peak);
  }
  const total = feature.fired + PRIOR_SIGHTINGS;
  return (feature.fired * feature.peak + PRIOR_SIGHTINGS * sourceLevel) / total;
}

/** An activation as a share of full strength, 0 to 1. */
export function strength(activation: number, scale: number): number {
  if (!(activation > 0) || !(scale > 0)) return 0;
  return Math.min(1, activation / scale);
}

/** Tokens after which even the strongest light has faded to the floor. */
export const MEMORY_TOKENS = Math.ceil(HALF_LIFE_TOKENS * Math.log2(1 / FLOOR));

/** Lights by feature number, in plain arrays that are refilled without garbage. */
export class LightSet {
  /** The features that have a light here: the first `count` entries. */
  indices = new Uint32Array(512);
  count = 0;
  /** By feature number; stale for those that have none. */
  light = new Float64Array(512);
  /** The filling in which a feature got its light. */
  private filled = new Uint32Array(512);
  private filling = 0;

  clear(): void {
    this.count = 0;
    this.filling += 1;
  }

  has(index: number): boolean {
    return this.filling > 0 && this.filled[index] === this.filling;
  }

  /** The light of a feature, at the floor if it has none here. */
  at(index: number): number {
    return this.has(index) ? (this.light[index] ?? FLOOR) : FLOOR;
  }

  /** Gives a feature at least this light. */
  raise(index: number, light: number): void {
    if (this.has(index)) {
      this.light[index] = Math.max(light, this.light[index] ?? 0);
      return;
    }
    this.light = grown(this.light, index + 1);
    this.filled = grown(this.filled, index + 1);
    this.indices = grown(this.indices, this.count + 1);
    this.light[index] = light;
    this.filled[index] = this.filling;
    this.indices[this.count++] = index;
  }
}

/**
 * Fills `into` with the features that are brighter than the floor when token `index` is the newest.
 * A light is the brightest of what each firing has left, and firings too long ago have left nothing
 * above the floor: so the cost does not grow with the text.
 */
export function lightsAt(session: Session, index: number, into = new LightSet()): LightSet {
  into.clear();
  // The newest first: an older firing leaves `left` at most, and many features have that already.
  for (let i = index; i >= Math.max(0, index - MEMORY_TOKENS); i -= 1) {
    const left = recency(index - i);
    session.tokens[i]?.eachActive((feature, activation) => {
      if (into.at(feature.index) >= left) return;
      const light = session.strengthOf(feature, activation) * left;
      if (light > FLOOR) into.raise(feature.index, light);
    });
  }
  return into;
}
