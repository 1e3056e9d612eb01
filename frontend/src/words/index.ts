/**
 * What the page says, in the language that is spoken. `speak` comes before the page is built: what is
 * read while a module is loaded is English.
 */
import * as en from "./en";
import { type Figure, figuresOf, type Language, type Translation, type Words } from "./say";

export let {
  ACTIONS,
  ADVICE,
  BEGINNINGS,
  COMPARE,
  DISPLAY_PACES,
  EXAMPLES,
  FILTERS,
  FOOTPRINT,
  GRAPH_LOST,
  HALL,
  HISTOGRAM,
  KEYS,
  KNOB_TEXTS,
  LABELS,
  LINE,
  MAP,
  MATRIX,
  MEANINGS,
  NO_GRAPH,
  NO_MAP,
  ORIGIN,
  OTHER_WEIGHTS,
  PACE,
  PACES,
  PAGE,
  PRESETS,
  REACH,
  SAY,
  SCENES,
  STAGE,
  STATUS,
  TAKE,
  TERMS,
  THEME,
  TOUR,
  TOURING,
  TURNS,
  WHY,
  districtFacts,
  footprintSource,
  mapMaking,
  mapRefused,
  nearness,
  storeyName,
}: Words = en;

export type Term = keyof Words["MEANINGS"];

/** A figure as the language writes it. */
export let figure: Figure = figuresOf("en");

/** The other languages, each fetched only when it is spoken. */
export const TRANSLATIONS = {
  de: () => import("./de"),
  fr: () => import("./fr"),
  es: () => import("./es"),
  pt: () => import("./pt"),
  zh: () => import("./zh"),
  ja: () => import("./ja"),
  hi: () => import("./hi"),
  ar: () => import("./ar"),
  ru: () => import("./ru"),
} as const satisfies Record<Exclude<Language, "en">, () => Promise<{ default: Translation }>>;

/** From now on the page speaks this language; rejects, and goes on as before, if it does not come. */
export async function speak(language: Language): Promise<void> {
  const translation = language === "en" ? {} : (await TRANSLATIONS[language]()).default;
  figure = figuresOf(language);
  ({
    ACTIONS,
    ADVICE,
    BEGINNINGS,
    COMPARE,
    DISPLAY_PACES,
    EXAMPLES,
    FILTERS,
    FOOTPRINT,
    GRAPH_LOST,
    HALL,
    HISTOGRAM,
    KEYS,
    KNOB_TEXTS,
    LABELS,
    LINE,
    MAP,
    MATRIX,
    MEANINGS,
    NO_GRAPH,
    NO_MAP,
    ORIGIN,
    OTHER_WEIGHTS,
    PACE,
    PACES,
    PAGE,
    PRESETS,
    REACH,
    SAY,
    SCENES,
    STAGE,
    STATUS,
    TAKE,
    TERMS,
    THEME,
    TOUR,
    TOURING,
    TURNS,
    WHY,
    districtFacts,
    footprintSource,
    mapMaking,
    mapRefused,
    nearness,
    storeyName,
  } = over(en, translation) as Words);
}

/** English with a translation over it, so that a word that has none yet is said in English. */
function over(english: unknown, translated: unknown): unknown {
  if (!isGroup(english) || !isGroup(translated)) return translated ?? english;
  const pairs = Object.entries(english).map(([key, word]) => [key, over(word, translated[key])]);
  return Array.isArray(english)
    ? pairs.map(([, word]) => word)
    : Object.fromEntries(pairs as [string, unknown][]);
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
