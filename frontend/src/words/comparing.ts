/** Two texts compared, in words. */
import type { Account } from "../state/comparing";
import { COMPARE, KNOB_TEXTS, SAY, STATUS } from ".";

/** What a text is called: its model and prompt, its branch, its seed, its length. */
export function sayAccount({ settings, branch, tokens }: Account): string {
  const seed = settings?.params.seed;
  return [
    settings === null
      ? COMPARE.noBeginning
      : STATUS.detail(settings.model, SAY.quoted(firstWords(settings.prompt))),
    branch,
    typeof seed === "string" ? KNOB_TEXTS.seed.brief(seed) : null,
    COMPARE.tokens(tokens.length),
  ]
    .filter((part) => part !== null)
    .join(", ");
}

/** Where two texts part, with the token of each there; null is its end, a negative index nowhere. */
export function sayParting(index: number, here: string | null, there: string | null): string {
  if (index < 0) return COMPARE.same;
  const say = (token: string | null): string => (token === null ? COMPARE.end : SAY.quoted(token));
  return COMPARE.parting(index + 1, say(here), say(there));
}

function firstWords(text: string): string {
  const line = text.replace(/\s+/gu, " ").trim();
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
