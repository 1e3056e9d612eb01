/**
 * Filters: which features are on show. A small language, one filter a line:
 *
 *   hide: promotes         no label with this word (several words: all of them)
 *   keep: /country|city/   only labels that match this expression
 *   min: 20%               only features that reached a fifth of their full strength
 *   density: 0.01%-1%      only features that fire on such a share of all text
 */
import { RE2JS, RE2JSSyntaxException } from "re2js";
import { SAY } from "../words";

export type Filter =
  | { kind: "hide" | "keep"; pattern: string }
  | { kind: "min"; share: number }
  | { kind: "density"; low: number; high: number };

export type FilterKind = Filter["kind"];

export const FILTER_KINDS: readonly FilterKind[] = ["hide", "keep", "min", "density"];

/** What a filter judges by. */
export interface Judged {
  id: number;
  label: string | null;
  /** Its peak in this room as a share of its full strength, 0 to 1. */
  share: number;
  /** Share of all text on which it fires; null if not known, and then the feature passes. */
  density: number | null;
}

export type Judge = (judged: Judged) => boolean;

/** A filter, or what is wrong with it; null if the text does not begin like a filter. */
export type Parsed = { filter: Filter } | { problem: string } | null;

const LONGEST_PATTERN = 200;
const FORM = /^\s*(hide|keep|min|density)\s*:\s*(.*)$/su;
const EXPRESSION = /^\/(.*)\/(i?)$/su;
/** What RE2 writes before a case-insensitive expression. */
const OWN_FLAG = "(?i)";

export function parseFilter(text: string): Parsed {
  const [, kind, rest = ""] = FORM.exec(text) ?? [];
  if (kind === undefined) return null;
  const value = rest.trim();
  if (kind === "min") return parseMinimum(value);
  if (kind === "density") return parseDensity(value);
  return parsePattern(kind as "hide" | "keep", value);
}

/** The text of a filter, as `parseFilter` reads it. */
export function filterText(filter: Filter): string {
  return `${filter.kind}: ${filterValue(filter)}`;
}

/** The part after the colon. */
export function filterValue(filter: Filter): string {
  switch (filter.kind) {
    case "hide":
    case "keep":
      return filter.pattern;
    case "min":
      return percent(filter.share);
    case "density":
      if (filter.low === 0) return `<${percent(filter.high)}`;
      if (filter.high === 1) return `>${percent(filter.low)}`;
      return `${percent(filter.low)}-${percent(filter.high)}`;
  }
}

/** What no filter at all is as one. */
export const EVERYTHING: Judge = () => true;

/** All filters as one: no filter may hide a feature, and one `keep`, if any, must match it. */
export function judgeOf(filters: readonly Filter[]): Judge {
  if (filters.length === 0) return EVERYTHING;
  const keeping = filters.filter(({ kind }) => kind === "keep").map(judge);
  const others = filters.filter(({ kind }) => kind !== "keep").map(judge);
  return (judged) =>
    others.every((passes) => passes(judged)) &&
    (keeping.length === 0 || keeping.some((passes) => passes(judged)));
}

export function sameFilter(a: Filter, b: Filter): boolean {
  return filterText(a) === filterText(b);
}

function judge(filter: Filter): Judge {
  switch (filter.kind) {
    case "hide": {
      const matches = matcherOf(filter.pattern);
      return (judged) => !matches(nameIn(judged));
    }
    case "keep": {
      const matches = matcherOf(filter.pattern);
      return (judged) => matches(nameIn(judged));
    }
    case "min":
      return ({ share }) => share >= filter.share;
    case "density":
      return ({ density }) => density === null || (density >= filter.low && density <= filter.high);
  }
}

/** A feature without a label goes by its number, `#4821`: `hide: /^#/` hides all of those. */
function nameIn({ id, label }: Judged): string {
  return label ?? `#${id}`;
}

function matcherOf(pattern: string): (text: string) => boolean {
  const expression = expressionOf(pattern);
  if (expression) return (text) => expression.test(text);
  const words = pattern.toLowerCase().split(/\s+/u);
  return (text) => {
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  };
}

/**
 * The expression between slashes, case-insensitive; null for plain words.
 *
 * RE2 rather than the browser's own: a link can bring filters, and in the browser's an expression
 * such as `(a+)+$` could block the page for ever. RE2 takes time in proportion to the label.
 */
function expressionOf(pattern: string): RE2JS | null {
  const [, source] = EXPRESSION.exec(pattern) ?? [];
  if (source === undefined) return null;
  return RE2JS.compile(RE2JS.translateRegExp(source), RE2JS.CASE_INSENSITIVE);
}

function parsePattern(kind: "hide" | "keep", pattern: string): Parsed {
  if (pattern === "") return { problem: SAY.whichLabels(kind) };
  if (pattern.length > LONGEST_PATTERN) {
    return { problem: SAY.tooLong(LONGEST_PATTERN) };
  }
  if (pattern.startsWith("/") && !EXPRESSION.test(pattern)) {
    return { problem: SAY.endless };
  }
  try {
    expressionOf(pattern);
  } catch (error) {
    return { problem: SAY.unreadable(reasonOf(error)) };
  }
  return { filter: { kind, pattern } };
}

/** What is wrong with an expression, and in which part, unless that is all of it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof RE2JSSyntaxException)) throw error;
  const part = error.getPattern();
  const reason = error.getDescription();
  return part === null || part.startsWith(OWN_FLAG) ? reason : `${reason} “${part}”`;
}

function parseMinimum(value: string): Parsed {
  const share = shareOf(value);
  if (share === null) return { problem: SAY.howStrong };
  return { filter: { kind: "min", share } };
}

function parseDensity(value: string): Parsed {
  const [, sign, bound] = /^([<>])\s*(.+)$/u.exec(value) ?? [];
  const [, from, to] = /^([^-]+?)\s*(?:-|–|to)\s*([^-]+)$/u.exec(value) ?? [];
  const low = bound === undefined ? shareOf(from) : sign === ">" ? shareOf(bound) : 0;
  const high = bound === undefined ? shareOf(to) : sign === "<" ? shareOf(bound) : 1;
  if (low === null || high === null || low > high) {
    return { problem: SAY.howDense };
  }
  return { filter: { kind: "density", low, high } };
}

/** "20%" or "0.2" as 0.2; null for all else. */
function shareOf(text: string | undefined): number | null {
  const [, number, sign] = /^\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*$/u.exec(text ?? "") ?? [];
  if (number === undefined) return null;
  const share = Number(number) / (sign === "%" ? 100 : 1);
  return share <= 1 ? share : null;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(6))}%`;
}
