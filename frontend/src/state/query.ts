/** Questions of the views: the strongest features of a token, those that fire with a feature. */
import { evidence } from "./evidence";
import { type Feature, thoughtOf } from "./feature";
import type { Active, Token } from "./log";
import type { Session } from "./session";

export interface Ranked {
  feature: Feature;
  activation: number;
  /** Share of the feature's full strength, 0 to 1. */
  strength: number;
  /** Features of other sources with the same label at this token: the same thought elsewhere. */
  echoes: Feature[];
}

/** The strongest of a token's features; those with the same label are one entry. */
export function strongest(session: Session, active: readonly Active[], limit: number): Ranked[] {
  const ranked = active
    .map(({ feature, activation }): Ranked => {
      const strength = session.strengthOf(feature, activation);
      return { feature, activation, strength, echoes: [] };
    })
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

export interface Neighbour {
  feature: Feature;
  /** Tokens of the text at which both fire. */
  together: number;
  weight: number;
}

/** Counts which features fire together with one, as tokens come and never over all of the text. */
class Company {
  readonly together = new Map<Feature, number>();
  private counted = 0;

  constructor(
    readonly feature: Feature,
    readonly run: number,
  ) {}

  /** Counts the tokens that came since. */
  follow(tokens: readonly Token[], at: readonly number[]): void {
    for (; this.counted < at.length; this.counted += 1) {
      for (const { feature } of tokens[at[this.counted] ?? -1]?.active ?? []) {
        if (feature === this.feature) continue;
        this.together.set(feature, (this.together.get(feature) ?? 0) + 1);
      }
    }
  }
}

/** The company of the feature that each session was asked about last. */
const companies = new WeakMap<Session, Company>();

/** Features that fired together with this one in the current text, most evidence first. */
export function neighbours(session: Session, feature: Feature, limit: number): Neighbour[] {
  let company = companies.get(session);
  if (company?.feature !== feature || company.run !== session.runs) {
    company = new Company(feature, session.runs);
    companies.set(session, company);
  }
  company.follow(session.tokens, session.firingsOf(feature).at);
  const own = session.timesOf(feature);
  const found: Neighbour[] = [];
  // There may be thousands and few are wanted: those are kept in order, instead of sorting all.
  for (const [other, together] of company.together) {
    // Tokens without features, such as the start, would raise the evidence of every pair.
    const weight = evidence(together, own, session.timesOf(other), session.told);
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
