/** Plays a recording, a room's log as JSON lines, into the page at a reader's pace. */
import { parseRecording, type Recorded } from "../wire/parse";
import type { Frame } from "../wire/types";

/** Time from one generated token to the next; about the speed at which one reads along. */
const TOKEN_MS = 220;
/** Time the prompt's light is given before the first token. */
const PROMPT_MS = 1200;
/** Nobody waits longer for what comes next, however long it took. */
const LONGEST_MS = 3000;

/** Fetches a recording: a name of one that comes with the page, or a path on this host. */
export async function loadRecording(nameOrUrl: string): Promise<Recorded[]> {
  const url = /^[\w-]+$/.test(nameOrUrl)
    ? new URL(`/recordings/${nameOrUrl}.jsonl`, location.href)
    : new URL(nameOrUrl, location.href);
  if (url.origin !== location.origin) throw new Error("a recording must be on this host");
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseRecording(await response.text());
}

export interface Player {
  stop(): void;
}

/**
 * Applies the frames one by one. `pace` scales the waits: 1 is the recording's own speed, or reading
 * speed where it has none; 0 is all at once.
 */
export function play(
  frames: readonly Recorded[],
  pace: number,
  apply: (frame: Frame) => void,
  done: () => void,
): Player {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let next = 0;
  const step = (): void => {
    for (;;) {
      const recorded = frames[next];
      if (recorded === undefined) {
        done();
        return;
      }
      next += 1;
      apply(recorded.frame);
      const wait = pauseBetween(recorded, frames[next]) * pace;
      if (wait > 0) {
        timer = setTimeout(step, wait);
        return;
      }
    }
  };
  step();
  return {
    stop: () => {
      clearTimeout(timer);
    },
  };
}

function pauseBetween({ frame, time }: Recorded, next: Recorded | undefined): number {
  if (time !== null && next !== undefined && next.time !== null) {
    return Math.min(LONGEST_MS, Math.max(0, 1000 * (next.time - time)));
  }
  if (frame.type === "token") return TOKEN_MS;
  return frame.type === "prompt" ? PROMPT_MS : 0;
}
