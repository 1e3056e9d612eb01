/** The arithmetic of light: how bright an activation is, and how it fades as the text goes on. */

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
