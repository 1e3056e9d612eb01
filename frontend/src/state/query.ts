/** Questions of the views: strongest features, those that fire together, those with a name. */
import type { Labelled } from "../wire/model";
import { evidence } from "./evidence";
import { type Feature, featureKey, thoughtOf } from "./feature";
import { shownLabel } from "./own-labels";
import type { Active, Token } from "./log";
import { type Certainty, certaintyOf, worthOf } from "./naming";
import type { Session } from "./session";

export interface Ranked {
  feature: Feature;
  activation: number;
  /** Share of the feature's full strength, 0 to 1. */
  strength: number;
  /** How sure its name is here, and what ranks it; see `naming.ts`. */
  certainty: Certainty;
  worth: number;
  /** Features of other sources with the same label at this token: the same thought elsewhere. */
  echoes: Feature[];
}

/**
 * The strongest of a token's features, those with the surest names first; those with the same label
 * are one entry, and so are those of a column: each the most like the next in another source.
 */
export function strongest(
  session: Session,
  active: readonly Active[],
  at = session.tokens.length - 1,
  columnOf: (feature: Feature) => string | null = () => null,
): Ranked[] {
  const tokens = session.tokens.slice(Math.max(0, at - RECALLED), at + 1);
  const ranked = active
    .map(({ feature, activation }): Ranked => {
      const strength = session.strengthOf(feature, activation);
      const certainty = certaintyOf(feature, tokens);
      const worth = worthOf(feature, strength, certainty);
      return { feature, activation, strength, certainty, worth, echoes: [] };
    })
    .sort((a, b) => b.worth - a.worth || b.activation - a.activation);
  const byThought = new Map<string, Ranked>();
  for (const entry of ranked) {
    const thoughts = [thoughtOf(entry.feature), columnOf(entry.feature)].filter(
      (key) => key !== null,
    );
    const first = thoughts.map((key) => byThought.get(key)).find((one) => one !== undefined);
    if (first) first.echoes.push(entry.feature);
    for (const key of thoughts) if (!byThought.has(key)) byThought.set(key, first ?? entry);
  }
  return [...new Set(byThought.values())];
}

/** Tokens before the one on show that may contradict a label. */
const RECALLED = 16;

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

export interface Hit {
  source: string;
  id: number;
  label: string | null;
  /** Null if the feature has not fired in this room. */
  feature: Feature | null;
}

/** A source whose features can be looked up by index. */
export interface Searched {
  id: string;
  /** Features that it has. */
  width: number;
}

const LETTER = /[\p{L}\p{N}]/u;
const INDEX = /^#?(\d{1,9})$/u;

/** Whether a text is the index of a feature, rather than words of a label. */
export function isIndex(text: string): boolean {
  return INDEX.test(text.trim());
}

/**
 * Features that fit the text, best first: those seen in this room, then others. If the text is an
 * index, these are features of `sources`, else what was `found` by label in the whole model.
 */
export function search(
  session: Session,
  sources: readonly Searched[],
  text: string,
  limit: number,
  found: readonly Labelled[] = [],
): Hit[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return [];
  const seen = session.features
    .map((feature): Hit & { feature: Feature } => {
      const { source, id, key, label } = feature;
      return { source, id, label: shownLabel(key, label), feature };
    })
    .map((hit) => ({ hit, rank: rankOf(hit, wanted) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank || b.hit.feature.peak - a.hit.feature.peak);
  const others = found
    .filter(({ source, index }) => session.feature(featureKey(source, index)) === undefined)
    .map(({ source, index, label }): Hit => ({ source, id: index, label, feature: null }))
    .map((hit) => ({ hit, rank: rankOf(hit, wanted) }));
  // An answer that comes late goes after what is listed already: that stays where it is.
  const hits = [
    ...eachNameFirst(byWord(seen, seen)),
    ...unseen(session, sources, wanted),
    ...eachNameFirst(byWord(others, [...seen, ...others])),
  ];
  return hits.slice(0, limit);
}

interface RankedHit {
  hit: Hit;
  rank: number;
}

/** “Paris” is not meant to find comparisons, unless nothing else `among` these fits. */
function byWord(hits: readonly RankedHit[], among: readonly RankedHit[]): Hit[] {
  const found = among.some(({ rank }) => rank > INSIDE);
  return hits.filter(({ rank }) => !found || rank !== INSIDE).map(({ hit }) => hit);
}

/** Each name once, then the other features of those names: else one name could fill the list. */
function eachNameFirst(hits: readonly Hit[]): Hit[] {
  const named = new Set<string>();
  const again = hits.filter(({ label }) => {
    const repeated = label !== null && named.has(label);
    if (label !== null) named.add(label);
    return repeated;
  });
  const later = new Set(again);
  return [...hits.filter((hit) => !later.has(hit)), ...again];
}

/** The rank of labels that have the words inside other words only. */
const INSIDE = 2;

/**
 * 0 if it does not fit. The whole index or label counts most, then the label of just this word,
 * then beginnings, then whole words, beginnings of words, and what is only inside words.
 */
function rankOf({ id, label }: Pick<Hit, "id" | "label">, wanted: string): number {
  const [, index] = INDEX.exec(wanted) ?? [];
  if (index !== undefined && Number(index) === id) return 7;
  const text = label?.toLowerCase() ?? "";
  if (text === wanted) return 6;
  if (text.includes(`"${wanted}"`)) return text.endsWith(`"${wanted}"`) ? 5.5 : 5;
  const words = wanted.split(/\s+/u);
  if (label !== null && words.every((word) => text.includes(word))) {
    const [begun, whole] = [false, true].map((all) => words.every((w) => atWord(text, w, all)));
    return INSIDE + Number(begun) + Number(whole) + (text.startsWith(wanted) ? 0.5 : 0);
  }
  return index !== undefined && String(id).startsWith(index) ? 1 : 0;
}

/** Whether a word is in a text at the beginning of one of its words, or `whole` as one of them. */
function atWord(text: string, word: string, whole: boolean): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const after = text[at + word.length] ?? "";
    if (!LETTER.test(text[at - 1] ?? "") && !(whole && LETTER.test(after))) return true;
  }
  return false;
}

function unseen(session: Session, sources: readonly Searched[], wanted: string): Hit[] {
  const [, index] = INDEX.exec(wanted) ?? [];
  if (index === undefined) return [];
  const id = Number(index);
  const fired = new Set(
    session.features.filter((feature) => feature.id === id).map(({ source }) => source),
  );
  return sources
    .filter((source) => id < source.width && !fired.has(source.id))
    .map((source) => ({ source: source.id, id, label: null, feature: null }));
}
