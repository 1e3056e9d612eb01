/** Queries of the views: the strongest features of a token, those that fire with a feature. */
import { evidence } from "./evidence";
import type { Session } from "./session";
import type { Active, Feature, Token } from "./state";
import { firstFrom } from "./track";

export interface Ranked {
  feature: Feature;
  activation: number;
  /** Share of the feature's full strength, 0 to 1. */
  strength: number;
  /** Features of other sources with the same label at this token: the same thought elsewhere. */
  echoes: Feature[];
}

/** A feature's name as people read it. */
export function nameOf(feature: Feature): string {
  return feature.label ?? `feature ${feature.id}`;
}

/** The key of a thought: the label, which several layers may share, else the feature's own key. */
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

/** A feature's activation at a token of the current run, 0 where it did not fire. */
export function activationAt(token: Token | undefined, { firings }: Feature): number {
  if (!token) return 0;
  const i = firstFrom(firings.at, token.index);
  return firings.at[i] === token.index ? (firings.activation[i] ?? 0) : 0;
}

export interface Neighbour {
  feature: Feature;
  together: number;
  weight: number;
}

/** Features that fired together with this one in the current text, most evidence first. */
export function neighbours(session: Session, feature: Feature, limit: number): Neighbour[] {
  const own = feature.firings.at.length;
  const found: Neighbour[] = [];
  // There may be thousands and few are wanted: those are kept in order, instead of sorting all.
  for (const [other, together] of session.companyOf(feature).together) {
    // Tokens without features, such as the start, would raise the evidence of every pair.
    const weight = evidence(together, own, other.firings.at.length, session.told);
    const last = found.length < limit ? undefined : found.at(-1);
    if (last && weight < last.weight) continue;
    const entry = { feature: other, together, weight };
    if (last && compare(entry, last) >= 0) continue;
    if (last) found.pop();
    const place = found.findIndex((one) => compare(entry, one) < 0);
    found.splice(place < 0 ? found.length : place, 0, entry);
  }
  return found;
}

function compare(a: Neighbour, b: Neighbour): number {
  return b.weight - a.weight || b.together - a.together || b.feature.peak - a.feature.peak;
}
