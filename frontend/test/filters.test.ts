import { describe, expect, it } from "vitest";
import { type Filter, filterText, type Judged, judgeOf, parseFilter } from "../src/state/filters";

function filter(text: string): Filter {
  const parsed = parseFilter(text);
  if (!parsed || !("filter" in parsed)) throw new Error(`${text} is no filter`);
  return parsed.filter;
}

function problem(text: string): string {
  const parsed = parseFilter(text);
  if (!parsed || !("problem" in parsed)) throw new Error(`${text} has no problem`);
  return parsed.problem;
}

function feature(label: string | null, more: Partial<Judged> = {}): Judged {
  return { id: 4821, label, share: 0.5, density: null, ...more };
}

function passing(filters: string[], ...labels: (string | null)[]): (string | null)[] {
  const judge = judgeOf(filters.map(filter));
  return labels.filter((label) => judge(feature(label)));
}

describe("parseFilter", () => {
  it("leaves all else to the search", () => {
    expect(parseFilter("capitals")).toBeNull();
    expect(parseFilter("part: whole")).toBeNull();
    expect(parseFilter("")).toBeNull();
  });

  it.each([
    ["hide: punctuation", "hide: punctuation"],
    ["  keep :  /country|capital/ ", "keep: /country|capital/"],
    ["min: .2", "min: 20%"],
    ["min:20 %", "min: 20%"],
    ["density: <1%", "density: <1%"],
    ["density: > 0.01%", "density: >0.01%"],
    ["density: 0.01% - 1%", "density: 0.01%-1%"],
    ["density: 0.0001 to 0.01", "density: 0.01%-1%"],
  ])("reads %s", (text, canonical) => {
    expect(filterText(filter(text))).toBe(canonical);
    expect(filter(canonical)).toEqual(filter(text));
  });

  it("says what is wrong with an expression, and that nothing was hidden", () => {
    expect(problem("hide: /(/")).toMatch(/cannot be read: .*Nothing was hidden/u);
    expect(problem("hide: /(?=x)/")).toContain("“(?=”");
    expect(problem("hide: /country")).toContain("has no end");
    expect(problem(`hide: ${"x".repeat(201)}`)).toContain("200");
  });

  it.each(["hide:", "min: much", "min: 200%", "density: 1", "density: 2%-1%", "density: <x"])(
    "says what is missing in %s",
    (text) => {
      if (text === "density: 1") expect(problem(text)).toContain("density: <1%");
      else expect(problem(text)).toContain("example");
    },
  );
});

describe("judgeOf", () => {
  it("reads expressions as browsers do", () => {
    const labels = ["Città", "a/b", "no letters", "x-y"];
    expect(passing(["keep: /^citt\\u00e0$|a\\/b|\\bx\\-/"], ...labels)).toEqual([
      "Città",
      "a/b",
      "x-y",
    ]);
  });

  it("is quick with an expression on which a browser's own would take for ever", () => {
    const label = `${"a".repeat(5_000)}!`;
    const began = performance.now();
    expect(passing(["keep: /(a+)+$/"], label)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it("hides labels with all of the words, whatever their case", () => {
    expect(passing(["hide: Sentence ENDS"], "sentence ends", "sentence starts", "ends")).toEqual([
      "sentence starts",
      "ends",
    ]);
  });

  it("passes what one `keep` filter matches and no other filter hides", () => {
    const filters = ["keep: /^capital/", "keep: country", "hide: names"];
    expect(passing(filters, "Capitals", "a country", "country names", "water")).toEqual([
      "Capitals",
      "a country",
    ]);
  });

  it("uses the number of a feature without a label", () => {
    expect(passing(["hide: punctuation"], null)).toEqual([null]);
    expect(passing(["keep: punctuation"], null)).toEqual([]);
    expect(passing(["hide: /^#/"], null, "#hashtags? no, a label")).toEqual([]);
    expect(passing(["keep: #4821"], null)).toEqual([null]);
  });

  it("compares the strongest activation, and the density where it is known", () => {
    const strong = judgeOf([filter("min: 50%")]);
    expect([0.49, 0.5, 1].map((share) => strong(feature("x", { share })))).toEqual([
      false,
      true,
      true,
    ]);
    const rare = judgeOf([filter("density: <1%")]);
    expect([0.001, 0.01, 0.02, null].map((density) => rare(feature("x", { density })))).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });
});
