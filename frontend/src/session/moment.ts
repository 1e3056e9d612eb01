/** The past of a run: what the page showed when a token was the newest. */
import { FLOOR, HALF_LIFE_TOKENS, recency } from "./fade";
import type { Session } from "./session";
import type { Feature } from "./state";

/** Tokens after which even the strongest light has faded to the floor. */
export const MEMORY_TOKENS = Math.ceil(HALF_LIFE_TOKENS * Math.log2(1 / FLOOR));

/**
 * The features that were brighter than the floor when token `index` was the newest, and their
 * light. A light is the brightest of what each firing has left, and firings too long ago have left
 * nothing above the floor: so the cost does not grow with the text.
 */
export function lightsAt(session: Session, index: number): Map<Feature, number> {
  const lights = new Map<Feature, number>();
  for (const token of session.tokens.slice(Math.max(0, index - MEMORY_TOKENS), index + 1)) {
    const left = recency(index - token.index);
    for (const { feature, activation } of token.active) {
      const light = session.strengthOf(feature, activation) * left;
      if (light > Math.max(FLOOR, lights.get(feature) ?? 0)) lights.set(feature, light);
    }
  }
  return lights;
}
