/** What all languages are made of: the type that they share, plurals and figures. */

/** The languages, each with the plural forms that it distinguishes below a million. */
export const FORMS = {
  en: ["one", "other"],
  de: ["one", "other"],
  fr: ["one", "other"],
  es: ["one", "other"],
  pt: ["one", "other"],
  zh: ["other"],
  ja: ["other"],
  hi: ["one", "other"],
  ar: ["zero", "one", "two", "few", "many", "other"],
  ru: ["one", "few", "many", "other"],
} as const;

export type Language = keyof typeof FORMS;

/** As browsers call them; figures have European digits everywhere, as what is typed has. */
export const TAGS: Readonly<Record<Language, string>> = {
  en: "en",
  de: "de",
  fr: "fr",
  es: "es",
  pt: "pt-BR",
  zh: "zh-Hans",
  ja: "ja",
  hi: "hi-u-nu-latn",
  ar: "ar-u-nu-latn",
  ru: "ru",
};

/** What those who speak them call them. */
export const NAMES: Readonly<Record<Language, string>> = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  pt: "Português (Brasil)",
  zh: "简体中文",
  ja: "日本語",
  hi: "हिन्दी",
  ar: "العربية",
  ru: "Русский",
};

/** A figure, by default with at most three decimals. */
export type Figure = (value: number, options?: Intl.NumberFormatOptions) => string;

export function figuresOf(language: Language): Figure {
  const tag = TAGS[language];
  // To make one takes far longer than to use it.
  const formats = new Map<string, Intl.NumberFormat>();
  return (value, options) => {
    const wanted = options ? JSON.stringify(options) : "";
    let format = formats.get(wanted);
    if (!format) formats.set(wanted, (format = new Intl.NumberFormat(tag, options)));
    return format.format(value).replace("-", "−");
  };
}

/** `count(3, { one: "# token", other: "# tokens" })`; `#` is the figure. */
export function countingIn<L extends Language>(
  language: L,
): (count: number, forms: Readonly<Record<(typeof FORMS)[L][number], string>>) => string {
  const rules = new Intl.PluralRules(TAGS[language]);
  const figure = figuresOf(language);
  return (count, forms: Readonly<Record<string, string>>) =>
    (forms[rules.select(count)] ?? forms.other ?? "").replace("#", figure(count));
}

declare const FIXED: unique symbol;
/** What is the same in every language, though it stands among words: values, prompts, filters. */
interface Fixed {
  readonly [FIXED]?: "fixed";
}
type NoWord = number | null | { readonly [FIXED]: "fixed" };

const values = new Set<unknown>();

export function fixed<const T>(value: T): T & Required<Fixed> {
  values.add(value);
  return value as T & Required<Fixed>;
}

export function isFixed(value: unknown): boolean {
  return values.has(value);
}

/** The words of a catalogue with any text in their place; what is in `Left` is left out. */
type Said<T, Left = never> = T extends NoWord
  ? T
  : T extends string
    ? string
    : T extends (...given: infer Given) => string
      ? (...given: Given) => string
      : T extends readonly unknown[]
        ? { readonly [K in keyof T]: Said<T[K], Left> }
        : { readonly [K in keyof T as T[K] extends Left ? never : K]: Said<T[K], Left> };

/** The page's words in any language, whose shape English gives. */
export type Words = Said<typeof import("./en")>;

/** What a language's file holds. The compiler refuses one with a word missing or left over. */
export type Translation = Said<typeof import("./en"), NoWord>;
