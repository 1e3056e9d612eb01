// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { Log, Token } from "../src/state/log";
import { type Row, settled } from "../src/ui/features";
import { alternativesOf, factsOf, isStart, shownText, visible } from "../src/ui/tokens";

function tokenOf(text: string, more: Partial<Token> = {}): Token {
  const log = new Log([]);
  const token = new Token(log, 3, 3, text, true, null, {}, null, 0, 0);
  return Object.assign(Object.create(Token.prototype) as Token, token, more);
}

describe("what else a token could have been", () => {
  const likely = [" Paris", " Rome"].map((token, i) => ({ token, token_id: i, logprob: -1 - i }));
  const shown = (token_id: number, logprob: number): string[] => {
    const log = new Log([]);
    const common = { position: 0, features: [], logprob };
    log.append({ ...common, token: "is", token_id: 9, alternatives: likely }, null, [], null);
    log.append({ ...common, token: " Lima", token_id, alternatives: [] }, null, [], null);
    const [, second] = log.tokens;
    return alternativesOf(second ?? null).flatMap((element) =>
      [...element.querySelectorAll("li")].map(
        (chip) => `${chip.textContent}${chip.matches("[aria-current]") ? "!" : ""}`,
      ),
    );
  };

  it("is told by the token before it; the one that came is marked, likely or not", () => {
    expect(shown(1, -2)).toEqual(["␣Paris37%", "␣Rome14%!"]);
    expect(shown(5, -3)).toEqual(["␣Paris37%", "␣Rome14%", "␣Lima5%!"]);
    expect(alternativesOf(tokenOf(" x"))).toEqual([]);
  });
});

describe("a token's text", () => {
  it.each([
    [" Paris", "Paris"],
    [".\n", "."],
    ["\n", "↵"],
    ["\n\n  ", "↵"],
    ["  ", "␣"],
    ["\t", "⇥"],
    ["", "·"],
  ])("%j is shown as %j", (text, shown) => {
    expect(shownText(tokenOf(text))).toBe(shown);
  });

  it("is the word “start” for the sign before the text", () => {
    const start = tokenOf("<|endoftext|>", { index: 0 });
    expect([isStart(start), shownText(start)]).toEqual([true, "start"]);
    expect(isStart(tokenOf("<b>"))).toBe(false);
  });

  it("has its blanks made visible among a feature's tokens", () => {
    expect(["  a b ", "\n\tx", ""].map(visible)).toEqual(["␣␣a b␣", "↵⇥x", "·"]);
  });
});

describe("a token's facts", () => {
  it("are those of its frame", () => {
    const details = { token_id: 7, l0: { a: 31, b: 12 }, reconstruction_error: { a: 0.1, b: 0.2 } };
    const facts = factsOf(tokenOf(" x", { logprob: Math.log(0.5), details }));
    expect(facts.map(({ name, value }) => `${name} ${value}`)).toEqual([
      "position 3",
      "id 7",
      "probability 50% (log −0.69)",
      "L0 31 · 12",
      "not reproduced 10% · 20%",
    ]);
  });

  it("say a log-probability near 0 without a sign", () => {
    const [, probability] = factsOf(tokenOf(" x", { logprob: -0.001 }));
    expect(probability?.value).toBe("100% (log 0.00)");
  });

  it("are a range for many sources, and name the prompt for a token of it", () => {
    const l0 = Object.fromEntries([5, 9, 2, 7, 4].map((n, i) => [`s${i}`, n]));
    const facts = factsOf(tokenOf(" x", { generated: false, details: { l0 } }));
    expect(facts.map(({ value }) => value)).toEqual(["3", "prompt", "2 to 9"]);
  });
});

describe("rows while tokens come", () => {
  const row = (label: string) => ({ feature: { label, key: label } }) as unknown as Row;
  const rowsOf = (labels: string) => labels.split(" ").map(row);
  const names = (rows: Row[]) => rows.map(({ feature }) => feature.label).join("");

  it("keep their places as long as they are shown", () => {
    const before = rowsOf("a b c d e");
    expect(names(settled(before, rowsOf("b x d y a")))).toBe("abxdy");
    expect(names(settled(before, rowsOf("e a")))).toBe("ae");
    expect(names(settled([], rowsOf("a b")))).toBe("ab");
  });
});
