/** How sure a name is, and how far the model is ahead of what is shown, in words. */
import { isRunning } from "../state/log";
import type { Certainty } from "../state/naming";
import type { Store } from "../state/store";
import { SAY, STAGE } from ".";

/** A name for want of a label: after the tokens at which a feature fired. */
export function provisionalName(tokens: readonly string[]): string {
  const quoted = tokens.map((text) => SAY.quoted(text.trim() || "␣"));
  return `≈ ${STAGE.firedAt(quoted.join(", "))}`;
}

/** A name that says how sure it is. */
export function sayName(name: string, certainty: Certainty): string {
  if (certainty === "about") return STAGE.about(name);
  return certainty === "provisional" && !name.startsWith("≈") ? `≈ ${name}` : name;
}

/** After a name: the layers of its twins. */
export function sayLayers(least: number, most: number): string {
  return ` · ${STAGE.span(least, most)}`;
}

/** How far the model is ahead of what a room's page shows; null where it is not. */
export function sayAhead({ session, origin, room }: Store): { text: string; count: string } | null {
  const { log, made, ahead } = session;
  if (origin !== "live" || ahead === 0 || log === null) return null;
  const text = isRunning(room.phase) ? STAGE.writing : STAGE.done;
  return { text, count: STAGE.showing(made, log.tokens.length - log.given) };
}
