/** How sure a feature's name is, and whether the text contradicts it where it stands. */
import type { Feature } from "./feature";
import type { Token } from "./log";
import { ownLabels } from "./own-labels";

/** A label with a lower score predicts worse than a coin where its feature fires. */
const LOW_SCORE = 0.5;
/** What counts as the score of a label that nobody has scored, and of a name that is none. */
const UNSCORED = 0.6;
const PROVISIONAL = 0.3;
/** Share of its worth that a name keeps where the text contradicts it. */
const CONTRADICTED = 0.2;

/**
 * - sure: a label that may be written large;
 * - about: one with a low score, or one that the text contradicts here;
 * - provisional: no label, but what the weights promote, or the tokens at which it fired.
 */
export type Certainty = "sure" | "about" | "provisional";

/** Labels that only tell what a feature's weights promote begin like this: nobody has scored them. */
const PROMOTES = "promotes: ";

function isProvisional({ label }: Pick<Feature, "label">): boolean {
  return label?.startsWith(PROMOTES) ?? true;
}

/** How sure a name is; `tokens` up to the one at which it is shown, if its feature fires there. */
export function certaintyOf(feature: Feature, tokens: readonly Token[] = []): Certainty {
  const { key, label, score } = feature;
  // One's own name is taken at its word.
  if (ownLabels().has(key)) return "sure";
  if (label === null || isProvisional(feature)) return "provisional";
  if (score !== null && score < LOW_SCORE) return "about";
  return contradicts(label, tokens) ? "about" : "sure";
}

/**
 * What ranks names: the share of full strength, times how well the label predicts, times how seldom
 * the feature fires.
 */
export function worthOf(feature: Feature, strength: number, certainty: Certainty): number {
  const { score, density } = feature;
  const trust = certainty === "provisional" ? PROVISIONAL : (score ?? UNSCORED);
  const doubted = certainty === "about" && (score ?? 1) >= LOW_SCORE;
  return strength * trust * (1 - (density ?? 0)) * (doubted ? CONTRADICTED : 1);
}

/** Whether the text up to and with the last of `tokens` shows that a label is false there. */
export function contradicts(label: string, tokens: readonly Token[]): boolean {
  if (tokens.length === 0) return false;
  let known = statements.get(label);
  if (!known) statements.set(label, (known = label.split(" or ").map(readStatement)));
  return known.every((isFalse) => isFalse(tokens));
}

type IsFalse = (tokens: readonly Token[]) => boolean;
const statements = new Map<string, readonly IsFalse[]>();
const maySay: IsFalse = () => false;

const WORD = /^the word "([^"]+)"/u;
const AFTER_WORD = /^right after the word "([^"]+)"/u;
const SPAN = /^tokens (\d+) to (\d+) of the text$/u;
const SIGNS: Readonly<Record<string, string>> = {
  "full stops": ".",
  commas: ",",
  "question marks": "?",
  "exclamation marks": "!",
  colons: ":",
  "line breaks": "\n",
};

/** What a statement of a label says of a text that can be seen in it; most say nothing of the kind. */
function readStatement(statement: string): IsFalse {
  const [, first, last] = SPAN.exec(statement) ?? [];
  if (first !== undefined) {
    // Whether the sign before the text counts differs: one token either way is no contradiction.
    return (tokens) => {
      const position = tokens.at(-1)?.position ?? 0;
      return position < Number(first) - 1 || position > Number(last) + 1;
    };
  }
  const sign = SIGNS[statement];
  if (sign !== undefined) return (tokens) => !tokens.at(-1)?.text.includes(sign);
  const [, word] = WORD.exec(statement) ?? [];
  if (word !== undefined) return (tokens) => isOther(word, endOf(tokens, tokens.length));
  const [, before] = AFTER_WORD.exec(statement) ?? [];
  if (before === undefined) return maySay;
  return (tokens) => {
    const own = endOf(tokens, tokens.length);
    const began = tokens.length - own.pieces;
    return own.whole && began > 0 && isOther(before, endOf(tokens, began));
  };
}

const LETTERS = /^[\p{L}\p{N}'’-]+$/u;
/** Pieces of one word that are looked back over. */
const MOST_PIECES = 6;

/** The word, begun at least, with which the first `count` tokens end. */
function endOf(tokens: readonly Token[], count: number) {
  let [text, pieces] = ["", 0];
  for (let i = count - 1; i >= 0 && pieces < MOST_PIECES; i -= 1) {
    const piece = tokens[i]?.text ?? "";
    if (pieces > 0 && !LETTERS.test(piece.slice(-1))) break;
    text = piece + text;
    pieces += 1;
    if (!LETTERS.test(piece)) break;
  }
  const word = text.trim().toLowerCase();
  // The word may go on in a token that is still to come.
  return { word, pieces, whole: LETTERS.test(word) };
}

/** Whether a text that ends with `word`, or with the beginning of a longer one, has another word. */
function isOther(wanted: string, { word, whole }: ReturnType<typeof endOf>): boolean {
  const looked = wanted.trim().toLowerCase();
  if (!LETTERS.test(looked)) return false;
  return whole ? !looked.startsWith(word) : word !== "" && !word.endsWith(looked);
}
