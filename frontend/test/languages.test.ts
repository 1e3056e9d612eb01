// @vitest-environment happy-dom
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fillPage } from "../src/ui/language";
import { PAGE, SAY, speak, STATUS, TRANSLATIONS } from "../src/words";
import * as en from "../src/words/en";
import { FORMS, isFixed, type Language, TAGS } from "../src/words/say";
import { openDocument } from "./page";

const LANGUAGES = Object.keys(TRANSLATIONS) as (keyof typeof TRANSLATIONS)[];

type Say = (...given: unknown[]) => string;
type Leaf = string | Say;

/** All words of a catalogue by their path, as in `SAY.facts.peak`; what is fixed is none. */
function wordsOf(catalogue: unknown, path = ""): [string, Leaf][] {
  if (catalogue === null || typeof catalogue === "number" || isFixed(catalogue)) return [];
  if (typeof catalogue === "string" || typeof catalogue === "function") {
    return [[path, catalogue as Leaf]];
  }
  return Object.entries(catalogue as object).flatMap(([key, value]) =>
    wordsOf(value, path === "" ? key : `${path}.${key}`),
  );
}

const ENGLISH = new Map(wordsOf(en));

/** What is said of these, alone or, where the last one may be missing, without it. */
function said(word: Leaf, last: "given" | "missing" = "given"): string {
  if (typeof word === "string") return word;
  const given: unknown[] = [31, 32, 33, 34].slice(0, word.length);
  if (last === "missing") given[given.length - 1] = null;
  return word(...given);
}

/** What a translation must keep: what is filled in, filters, names of settings. */
function kept(text: string): string[] {
  return [...new Set(text.match(/3[1-4]|\b(?:hide|keep|min|density):|AXON_\w+|20 ?%|<1 ?%/g))]
    .map((part) => part.replace(" ", ""))
    .sort();
}

describe.each(LANGUAGES)("%s", (language) => {
  let words: Map<string, Leaf>;
  beforeEach(async () => {
    words = new Map(wordsOf((await TRANSLATIONS[language]()).default));
  });

  it("has every word of English", () => {
    expect([...ENGLISH.keys()].filter((path) => !words.has(path))).toEqual([]);
  });

  it("has no word that English has not", () => {
    expect([...words.keys()].filter((path) => !ENGLISH.has(path))).toEqual([]);
  });

  it("says the same figures, names and filters as English", () => {
    const differing = [...words].filter(([path, word]) => {
      const english = ENGLISH.get(path);
      if (english === undefined) return false;
      return (["given", "missing"] as const).some(
        (last) => kept(said(word, last)).join() !== kept(said(english, last)).join(),
      );
    });
    expect(differing.map(([path]) => path)).toEqual([]);
  });

  it("leaves no sentence in English", () => {
    const same = [...words].filter(([path, word]) => {
      const english = ENGLISH.get(path);
      return (
        english !== undefined &&
        /[a-z]{2,} [a-z]{2,}/.test(said(word)) &&
        said(word) === said(english)
      );
    });
    expect(same.map(([path]) => path)).toEqual([]);
  });
});

describe("plurals", () => {
  it.each(Object.keys(FORMS) as Language[])("%s has all forms that it needs", (language) => {
    const rules = new Intl.PluralRules(TAGS[language]);
    const counts = Array.from({ length: 1001 }, (_, count) => count);
    expect(new Set(counts.map((count) => rules.select(count)))).toEqual(
      // Russian has a form for fractions alone.
      new Set(FORMS[language].filter((form) => language !== "ru" || form !== "other")),
    );
  });

  it.each([
    ["de", [1, 2], 2],
    ["ru", [1, 2, 5, 11, 21, 22], 3],
    ["ar", [1, 2, 3, 11, 100], 5],
    ["ja", [0, 1, 2, 11], 1],
  ] as const)("%s is inflected for %j", async (language, counts, different) => {
    await speak(language);
    const texts = counts.map((count) => STATUS.stopped(count).replace(/\d+/, "#"));
    expect(new Set(texts).size).toBe(different);
    await speak("en");
  });
});

describe("speak", () => {
  afterEach(async () => {
    vi.doUnmock("../src/words/de");
    await speak("en");
  });

  it("says in English what a language has no word for yet", async () => {
    vi.doMock("../src/words/de", () => ({ default: { SAY: { pin: "Anheften" } } }));
    vi.resetModules();
    const fresh = await import("../src/words");
    await fresh.speak("de");
    expect(fresh.SAY.pin).toBe("Anheften");
    expect(fresh.SAY.unpin).toBe("Unpin");
    expect(fresh.EXAMPLES).toEqual(en.EXAMPLES);
  });

  it("keeps prompts and filters as they are, for the model and the page read them", async () => {
    await speak("ar");
    expect(SAY.firstPrompt).toBe(en.SAY.firstPrompt);
    expect(SAY.copied).not.toBe(en.SAY.copied);
  });
});

describe("index.html", () => {
  beforeEach(openDocument);
  afterEach(() => speak("en"));

  /** Texts, and what is said in attributes, with the blanks of the source run together. */
  function shown(): string[] {
    const texts: string[] = [];
    for (const element of document.body.querySelectorAll("*")) {
      for (const node of element.childNodes) {
        if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent ?? "");
      }
      for (const name of ["title", "aria-label", "placeholder", "alt"]) {
        texts.push(element.getAttribute(name) ?? "");
      }
    }
    return texts.map((text) => text.replace(/\s+/g, " ").trim()).filter((text) => text !== "");
  }

  it("has the English words of the catalogue, for those without script", () => {
    const before = shown();
    fillPage();
    expect(shown()).toEqual(before);
  });

  it("has no words beside the catalogue's", async () => {
    await speak("zh");
    fillPage();
    const latin = shown().filter((text) => /[a-z]{2}/i.test(text));
    const said = JSON.stringify(PAGE);
    expect(latin.filter((text) => text !== "Axon" && !said.includes(text))).toEqual([]);
  });
});

describe("language.js", () => {
  const script = readFileSync("public/language.js", "utf8");

  function run(search: string, languages: readonly string[]): HTMLElement {
    history.replaceState(null, "", `/${search}`);
    vi.stubGlobal("navigator", { languages });
    // As the browser runs it.
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    new Function(script)();
    return document.documentElement;
  }

  beforeEach(() => localStorage.clear());
  afterEach(() => vi.unstubAllGlobals());

  it("knows the languages of the catalogue", () => {
    for (const language of LANGUAGES) expect(run("", [`${language}-XX`]).lang).toBe(language);
    expect(run("", ["tlh", "xx"]).lang).toBe("en");
  });

  it("takes the address's language, keeps it, and takes the browser's first one else", () => {
    expect(run("", ["fr-CA", "de"]).lang).toBe("fr");
    expect(run("?lang=ja", ["fr"]).lang).toBe("ja");
    expect(run("", ["fr"]).lang).toBe("ja");
    expect(run("?lang=nonsense", ["fr"]).lang).toBe("ja");
  });

  it("hides the English words only where others come, and sets the direction", () => {
    expect(run("?lang=ar", []).dir).toBe("rtl");
    expect(document.documentElement.className).toBe("speechless");
    expect(run("?lang=en", []).dir).toBe("ltr");
    expect(document.documentElement.className).toBe("");
  });
});
