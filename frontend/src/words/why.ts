/** Why a token came, in words. Each figure said here was measured. */
import type { Answer } from "../state/why";
import { STRONG, strongestFor } from "../state/why";
import type { Coverage } from "../wire/types";

export const WHY = {
  ask: "Why this word?",
  askHelp:
    "Measures which features speak for this token: each is silenced, and the model runs again",
  title: "Why this word",
  rather: "rather than",
  asking: "Silencing one feature after another …",
  live: "Measured while the text was written.",
  missed: "There was no time to measure why this word came while the text was written.",
  method:
    "Each line is measured: the model ran again with this feature silenced. The figures are the word's probability as it was, and without the feature. The bar is the change of its log-probability.",
  everywhere: "at every position",
  speaksFor: "speaks for it",
  speaksAgainst: "speaks against it",
  next: "Without it, these lose activation in",
  nothingNext: "No feature of the next source loses activation without it.",
  last: "No source lies above this one: it acts on the word directly.",
  untried: "not tried",
  silence: "Silence it and see",
  silenced: "Silenced from the next Generate on. Press Generate.",
  more: (count: number): string => `Try ${count}`,
  graph: "Save as graph (JSON)",
  graphHelp: "The causes and the paths that are unfolded, in the graph format of circuit-tracer",
  order: "Order",
  orders: { logprob: "by the word", logit: "by the word rather than the other" },
  causes: "Causes, the strongest first",
  close: "Close",
  lost: "The answer broke off",
  early: "the answer ended early",
  unreachable: "the server cannot be reached",
  kin: "Kin in other layers",
  closeHelp: "Close (Esc)",
  measured: (speaks: string, odds: string, logprob: string, logit: string): string =>
    `${speaks}: ${odds}, log-probability ${logprob}, logit less the other's ${logit}`,
  often: (times: number, tokens: number): string => `fires at ${times} of ${tokens} tokens`,
  atToken: (token: string): string => `at “${token}”`,
  atPosition: (position: number): string => `at position ${position}`,
  every: "Causes of each word",
  everyHelp:
    "Measures what speaks for each word while the text is written, as far as there is time. All in the room see it.",
  examples: "Top examples",
  examplesHelp:
    "Texts in which the feature fires most strongly, as the model's server has them. The darker a token, the stronger it fires there; the figure is its highest activation.",
} as const;

/** How the candidates were chosen, and how far that choice can be trusted. */
export function sayCoverage({ active, tried, agreement }: Coverage): string {
  if (active === 0) return "No feature is active before this word.";
  if (tried >= active) return `All ${active} active features were tried, one at a time.`;
  const chosen = `Tried ${tried} of ${active} active features, those with the largest gradient.`;
  if (agreement === null) return chosen;
  const { pearson, top_5: share } = agreement;
  const r = pearson
    .toFixed(2)
    .replace(/^(-?)0/u, "$1")
    .replace("-", "−");
  return `${chosen} Gradient and removal agree r = ${r}, and on ${Math.round(5 * share)} of the 5 strongest.`;
}

/** That nothing speaks for a token, if nothing does; else empty. */
export function sayWeak({ state, effects }: Answer): string {
  if (state !== "done") return "";
  const strongest = strongestFor(effects);
  if (strongest === undefined) return "Nothing that was tried speaks for it.";
  if (strongest.logprob <= -STRONG) return "";
  const change = Math.abs(strongest.logprob);
  const figure = change < 0.005 ? "less than 0.01" : change.toFixed(2);
  return `Nothing in this text speaks strongly for it: the strongest removal lowers its log-probability by ${figure}.`;
}

/** A signed figure with a real minus. */
export function signed(value: number, digits = 2): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}
