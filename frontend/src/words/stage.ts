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
  candidates: "Likeliest next tokens",
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
