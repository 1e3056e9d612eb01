import { describe, expect, it } from "vitest";
import { certaintyOf, contradicts, worthOf } from "../src/state/naming";
import { nameOf } from "../src/state/feature";
import { sayName } from "../src/words/stage";
import { feature, started, streamed, token } from "./frames";

/** The tokens of a text in pieces; the first is at position 2. */
function text(...pieces: string[]) {
  const frames = pieces.map((piece, i) => token(2 + i, i, piece, []));
  return streamed(started(1), ...frames).session.tokens;
}

describe("a label that the text can show to be false", () => {
  it.each([
    ['the word "princess"', ["The", " prin", "cess"], false],
    ['the word "princess"', ["The", " prin"], false],
    ['the word "princess"', ["The", " prince", "ly"], true],
    ['the word "the" at the start of a sentence', ["The"], false],
    ['the word "the"', [" The", " cat"], true],
    ['the word "the"', [" cat", "."], true],
    ['the word "a" or the word "the"', [" the"], false],
    ['right after the word "the"', [" the", " prin", "cess"], false],
    ['right after the word "the"', [" a", " prin", "cess"], true],
    ["full stops", [" cat", "."], false],
    ["full stops", [" cat", " sat"], true],
    ["tokens 0 to 15 of the text", [" a"], false],
    ["tokens 16 to 31 of the text", [" a"], true],
    ["texts about countries", [" a"], false],
    ['the sign "#" before a comment', [" a"], false],
  ])("%s after %j", (label, pieces, isFalse) => {
    expect(contradicts(label, text(...pieces))).toBe(isFalse);
  });
});

describe("a name", () => {
  const named = (more: Parameters<typeof feature>[2]) => {
    const { session } = streamed(started(1), token(2, 0, " cat", [feature(7, 5, more)]));
    const [one] = session.features;
    if (!one) throw new Error("no feature");
    const certainty = certaintyOf(one, session.tokens);
    return { certainty, worth: worthOf(one, 1, certainty), said: sayName(nameOf(one), certainty) };
  };

  it("says how sure it is", () => {
    expect(named({ label: "animals", score: 0.9 }).said).toBe("animals");
    expect(named({ label: "animals" }).said).toBe("animals");
    expect(named({ label: "animals", score: 0.2 }).said).toBe("about animals");
    expect(named({ label: 'the word "dog"', score: 0.9 }).said).toBe('about the word "dog"');
    expect(named({ label: "promotes: dog, cat" }).said).toBe("≈ promotes: dog, cat");
    expect(named({}).said).toBe("≈ at “cat”");
  });

  it("ranks by the score of its label and by how seldom its feature fires", () => {
    const order = [
      named({ label: "animals", score: 0.9 }),
      named({ label: "animals", score: 0.9, density: 0.2 }),
      named({ label: "animals" }),
      named({ label: "promotes: dog" }),
      named({ label: 'the word "dog"', score: 0.95 }),
    ].map(({ worth }) => worth);
    expect(order).toEqual(order.toSorted((a, b) => b - a));
    expect(named({ label: "animals", score: 0.9, density: 0.2 }).worth).toBeCloseTo(0.9 * 0.8);
  });
});
