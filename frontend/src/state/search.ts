/** Finding features by the words of their label or by their index. */
import type { Labelled } from "../wire/model";
import type { Session } from "./session";
import { type Feature, featureKey } from "./feature";

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
    .map((feature) => ({ feature, rank: rankOf(feature, wanted) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank || b.feature.peak - a.feature.peak)
    .map(({ feature }): Hit => {
      const { source, id, label } = feature;
      return { source, id, label, feature };
    });
  const others = found
    .filter(({ source, index }) => session.feature(featureKey(source, index)) === undefined)
    .map(({ source, index, label }): Hit => ({ source, id: index, label, feature: null }));
  return [...seen, ...unseen(session, sources, wanted), ...others].slice(0, limit);
}

/**
 * 0 if it does not fit. The whole index or label counts most, then beginnings, then whole words,
 * beginnings of words, and what is only inside words.
 */
function rankOf({ id, label }: Feature, wanted: string): number {
  const [, index] = INDEX.exec(wanted) ?? [];
  if (index !== undefined && Number(index) === id) return 7;
  const text = label?.toLowerCase() ?? "";
  if (text === wanted) return 6;
  const words = wanted.split(/\s+/u);
  if (label !== null && words.every((word) => text.includes(word))) {
    const [begun, whole] = [false, true].map((all) => words.every((w) => atWord(text, w, all)));
    return 2 + Number(begun) + Number(whole) + (text.startsWith(wanted) ? 0.5 : 0);
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
