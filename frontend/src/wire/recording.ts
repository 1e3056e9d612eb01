/** Reads a recording, a room's log as JSON lines, as far as it goes. */
import { asNumber, asObject, type Json, or, WireError } from "./check";
import { parseFrames } from "./parse";
import type { Frame, WireFeature } from "./types";

/** The version of `recording` lines that this page can read. */
const VERSION = 1;

/** A frame of a recording, and when it was made, in seconds; null where the file does not say. */
export interface Recorded {
  frame: Frame;
  time: number | null;
}

export interface Recording {
  frames: Recorded[];
  /** The end of the file is missing: the room was running, or the download broke. */
  cut: boolean;
  /** Lines that could not be read and are left out. */
  skipped: number;
}

/**
 * Reads a recording: one message a line, empty lines allowed. One that was cut off is read as far
 * as it goes. Throws WireError, in words for people, if the text is no recording.
 */
export function parseRecording(text: string): Recording {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new WireError("the file is empty");
  const values = lines.map(parseLine);
  const [head] = values;
  const whole = values.filter((value) => value !== null);
  checkHead(head ?? null);
  const lastIsBroken = values.at(-1) === null;
  const ends = whole.at(-1)?.type === "end";
  const recording: Recording = {
    frames: [],
    cut: lastIsBroken || (head?.type === "recording" && !ends),
    skipped: values.length - whole.length - (lastIsBroken ? 1 : 0),
  };
  const once = interning();
  for (const value of whole) addFrames(recording, value, once);
  if (recording.frames.length === 0) throw new WireError("there is nothing to play in it");
  return recording;
}

/** The first line says whether this is a recording at all: of Axon, and one this page can read. */
function checkHead(head: Json | null): void {
  if (typeof head?.type !== "string") {
    throw new WireError(
      "it is not a recording made by Axon (JSON lines, such as a room's recording.jsonl)",
    );
  }
  if (head.type === "recording" && typeof head.version === "number" && head.version > VERSION) {
    throw new WireError("a newer version of Axon made it, which this page cannot read");
  }
}

/** The object in a line, null when there is none. */
function parseLine(line: string): Json | null {
  try {
    return asObject(JSON.parse(line), "frame");
  } catch {
    return null;
  }
}

function addFrames(recording: Recording, value: Json, once: (text: string) => string): void {
  const problems: WireError[] = [];
  const frames = parseFrames(value, (error) => problems.push(error));
  if (problems.length > 0) recording.skipped += 1;
  const time = timeOf(value);
  for (const frame of frames) {
    for (const feature of featuresOf(frame)) {
      feature.source = once(feature.source);
      if (feature.label !== undefined) feature.label = once(feature.label);
    }
    recording.frames.push({ frame, time });
  }
}

function featuresOf(frame: Frame): WireFeature[] {
  if (frame.type === "token") return frame.features;
  return frame.type === "prompt" ? frame.tokens.flatMap(({ features }) => features) : [];
}

/** Keeps one copy of each text: a long recording repeats its labels some hundred thousand times. */
function interning(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const first = known.get(text);
    if (first !== undefined) return first;
    known.set(text, text);
    return text;
  };
}

function timeOf(value: Json): number | null {
  try {
    return or(asNumber, null)(value.time, "time");
  } catch {
    return null;
  }
}
