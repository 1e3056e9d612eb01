/** Recordings: where they come from, and how their generations and times are found. */
import { at } from "./server";
import { parseRecording, type Recorded, type Recording } from "../wire/recording";

/** Time from one token to the next if no times are known; about reading speed. */
const TOKEN_MS = 220;
/** Least time for which the prompt is shown before the first token. */
const PROMPT_MS = 1200;
/** The longest and the shortest pause before a token, whatever the recorded times say. */
const LONGEST_MS = 3000;
const SHORTEST_MS = 100;

/** Fetches a recording, by the name of one that comes with the page or by a path on this host. */
export async function loadRecording(nameOrUrl: string): Promise<Recording> {
  const url = /^[\w-]+$/.test(nameOrUrl)
    ? at(`recordings/${nameOrUrl}.jsonl`)
    : new URL(nameOrUrl, location.href);
  if (url.origin !== location.origin) throw new Error("a recording must be on this host");
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseRecording(await response.text());
}

/** One generation of a recording. */
export interface Generation {
  frames: Recorded[];
  /** When each token was made, in seconds, by its index; null where the file does not say. */
  times: (number | null)[];
  /** Tokens of the prompt. */
  given: number;
}

/** Cuts a recording before each generation; what comes before the first belongs to it. */
export function generationsOf(frames: readonly Recorded[]): Generation[] {
  const generations: Generation[] = [];
  let open: Generation | null = null;
  let begun = false;
  for (const recorded of frames) {
    const { type } = recorded.frame;
    const begins = type === "queued" || type === "started";
    if (open === null || (begins && begun)) {
      open = { frames: [], times: [], given: 0 };
      generations.push(open);
      begun = false;
    }
    begun ||= type === "started";
    open.frames.push(recorded);
    addTimes(open, recorded);
  }
  return generations;
}

function addTimes(generation: Generation, { frame, time }: Recorded): void {
  if (frame.type === "prompt") {
    generation.given += frame.tokens.length;
    generation.times.push(...frame.tokens.map(() => time));
  } else if (frame.type === "token") generation.times.push(time);
}

/** Milliseconds from the token before `index` to this one, at the generation's own speed. */
export function pauseBefore(generation: Generation | null, index: number): number {
  if (generation === null) return TOKEN_MS;
  const { times, given } = generation;
  if (index < given) return TOKEN_MS;
  const first = index === given;
  const [before, time] = [times[index - 1] ?? null, times[index] ?? null];
  if (before === null || time === null) return first ? PROMPT_MS : TOKEN_MS;
  return Math.min(LONGEST_MS, Math.max(first ? PROMPT_MS : SHORTEST_MS, 1000 * (time - before)));
}

/** Milliseconds from the end of one generation to the next. */
export const BETWEEN_GENERATIONS_MS = LONGEST_MS;
