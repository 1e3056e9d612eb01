/** What the gateway's tests and the page's agree on, in the repository's `tests/golden`. */
import { readFileSync } from "node:fs";

function text(name: string): string {
  const url = new URL(`../../tests/golden/${name}.json`, import.meta.url);
  return readFileSync(url, "utf8");
}

function read(name: string): unknown {
  return JSON.parse(text(name));
}

/** One frame of every kind, by name. */
export const FRAMES = read("frames") as Record<string, { type: string; seq: number }>;

/** One frame of every kind that answers why a token came. */
export const ANSWERS = read("answers") as Record<string, { type: string; seq: number }>;

/** The graph of these answers. */
export const GRAPH: unknown = read("graph");

/** Every code of the gateway's errors. */
export const CODES = read("errors") as string[];

/** The file of one's own labels, as the page writes it. */
export const LABELS_FILE = text("labels");
