/** Questions the views ask of a session: the strongest features of a token, a feature's company. */
import { evidence } from "./evidence";
import type { Session } from "./session";
import type { Active, Feature, Token } from "./state";

export interface Ranked {
  feature: Feature;
  activation: number;
  /** Share of what the feature can do, 0 to 1. */
  strength: number;
  /** Other sources' features with the same label at the same token: the same thought, other layers. */
  echoes: Feature[];
}

/** A feature's name as people read it. */
export function nameOf(feature: Feature): string {
  return feature.label ?? `feature ${feature.id}`;
}

/** What tells a thought from others: features of several layers share a label, never a number. */
export function thoughtOf(feature: Feature): string {
  return feature.label ?? feature.key;
}

/** The strongest features of a token; those with the same label are one entry. */
export function strongest(session: Session, token: Token, limit: number): Ranked[] {
  const ranked = token.active
    .map((active) => rank(session, active))
    .sort((a, b) => b.strength - a.strength || b.activation - a.activation);
  const byThought = new Map<string, Ranked>();
  for (const entry of ranked) {
    const thought = thoughtOf(entry.feature);
    const first = byThought.get(thought);
    if (first === undefined) byThought.set(thought, entry);
    else first.echoes.push(entry.feature);
  }
  return [...byThought.values()].slice(0, limit);
}

export function rank(session: Session, { feature, activation }: Active): Ranked {
  return { feature, activation, strength: session.strengthOf(feature, activation), echoes: [] };
}

/** The newest token that has features: BOS and the like have none. */
export function newestToken(session: Session): Token | undefined {
  return session.tokens.findLast((token) => token.active.length > 0);
}

/** A feature's activation at a token, 0 where it did not fire. */
export function activationAt(token: Token | undefined, feature: Feature): number {
  return token?.active.find((active) => active.feature === feature)?.activation ?? 0;
}

export interface Neighbour {
  feature: Feature;
  together: number;
  weight: number;
}

/** Features that fired together with this one in the current text, most evidence first. */
export function neighbours(session: Session, feature: Feature, limit: number): Neighbour[] {
  const together = new Map<Feature, number>();
  const alone = new Map<Feature, number>();
  for (const token of session.tokens) {
    const here = token.active.some((active) => active.feature === feature);
    for (const { feature: other } of token.active) {
      alone.set(other, (alone.get(other) ?? 0) + 1);
      if (here && other !== feature) together.set(other, (together.get(other) ?? 0) + 1);
    }
  }
  const own = alone.get(feature) ?? 0;
  // The start of the text has no features: counted, it would make every pair look unlikely.
  const total = session.tokens.filter((token) => token.active.length > 0).length;
  return [...together]
    .map(([other, count]) => ({
      feature: other,
      together: count,
      weight: evidence(count, own, alone.get(other) ?? 0, total),
    }))
    .sort(
      (a, b) => b.weight - a.weight || b.together - a.together || b.feature.peak - a.feature.peak,
    )
    .slice(0, limit);
}
