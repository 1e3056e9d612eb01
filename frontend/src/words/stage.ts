/** How sure a name is, and how far the model is ahead of what is shown, in words. */
import { isRunning } from "../state/log";
import type { Certainty } from "../state/naming";
import type { Store } from "../state/store";
import { SAY, STAGE } from ".";

/**
 * A name for want of a label: after the tokens that a feature promotes, and those at which it fired;
 * empty where neither is known.
 */
export function provisionalName(fired: readonly string[], promoted: readonly string[]): string {
  const quoted = (tokens: readonly string[]): string =>
    tokens.map((text) => SAY.quoted(text.trim() || "␣")).join(", ");
  const parts = [];
  if (promoted.length > 0) parts.push(STAGE.promotes(quoted(promoted)));
  // Beside what it promotes there is room for one.
  const where = promoted.length > 0 ? fired.slice(0, 1) : fired;
  if (where.length > 0) parts.push(STAGE.firedAt(quoted(where)));
  return parts.length > 0 ? `≈ ${parts.join(" · ")}` : "";
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
