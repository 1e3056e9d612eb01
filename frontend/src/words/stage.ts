/** What the stage says: its pace, its legend, its tour, and how sure a name is. */
import { isRunning } from "../state/log";
import type { Certainty } from "../state/naming";
import type { Store } from "../state/store";

/** How many tokens a second are shown, and what that is called. */
export const DISPLAY_PACES: readonly [value: string, name: string][] = [
  ["0", "step by step"],
  ["0.1", "1 in 10 s"],
  ["0.5", "1 in 2 s"],
  ["1", "1 a second"],
  ["2", "2 a second"],
  ["4", "4 a second"],
  ["10", "10 a second"],
  ["Infinity", "as it comes"],
];

export const STAGE = {
  pace: "Speed",
  paceHelp: "How many tokens are shown in a second. The model may be ahead of what is shown.",
  next: "Next",
  nextHelp: "Show the next token",
  blank: "The text will stand here, word by word.",
  layers: "Strongest activation by token and layer",
  present: "Present",
  presentHelp: "Only the picture and the text, for a large screen (F; Esc ends it)",
  ranked:
    "In the order of: activation as a share of the highest known, times the label's score, times the share of tokens at which the feature is silent",
  legend: {
    height: "height: layer",
    flat: "place: meaning",
    light: "light: activation",
    ring: "ring: this word",
    chosen: "outer ring: chosen",
    edited: "dashed ring: edited",
  },
} as const;

/** A name for want of a label: after the tokens at which a feature fired. */
export function provisionalName(tokens: readonly string[]): string {
  return `≈ at ${tokens.map((text) => `“${text.trim() || "␣"}”`).join(", ")}`;
}

/** A name that says how sure it is. */
export function sayName(name: string, certainty: Certainty): string {
  if (certainty === "about") return `about ${name}`;
  return certainty === "provisional" && !name.startsWith("≈") ? `≈ ${name}` : name;
}

/** After a name: the layers of its twins. */
export function sayLayers(least: number, most: number): string {
  return ` · layers ${least}–${most}`;
}

/** How far the model is ahead of what a room's page shows; null where it is not. */
export function sayAhead({ session, origin, room }: Store): { text: string; count: string } | null {
  const { log, made, ahead } = session;
  if (origin !== "live" || ahead === 0 || log === null) return null;
  const text = isRunning(room.phase) ? "The model is still writing" : "The model is done";
  return { text, count: `; showing ${made} of ${log.tokens.length - log.given}` };
}

/** The tour: what to look at, and what it means. `at` names the element on the page. */
export const TOUR: readonly { at: string; title: string; text: string }[] = [
  {
    at: "text",
    title: "One token a beat",
    text: "The model reads the text so far and writes it on, one token at a time. Its likeliest next tokens fan out above the text, and one falls into it.",
  },
  {
    at: "stage",
    title: "Height is the layer",
    text: "The text passes through the model from the lowest layer to the highest. Each point is a feature of one layer: a direction that a sparse autoencoder found.",
  },
  {
    at: "strongest",
    title: "Light is activation",
    text: "What shines fires at this word; the brighter, the stronger. Large names have proved themselves on other text. Small grey ones are a guess: “about” a bad one, “≈” no more than a hint.",
  },
  {
    at: "tokens",
    title: "Ask a word",
    text: "Choose a word of the text: its alternatives, with their probabilities, and “Why this word?”, which silences one feature after another and measures what changes.",
  },
];

export const TOURING = {
  name: "Tour",
  back: "Back",
  next: "Next",
  done: "Done",
  skip: "Close",
  again: "Show the tour",
  step: (step: number, steps: number): string => `${step} of ${steps}`,
} as const;
