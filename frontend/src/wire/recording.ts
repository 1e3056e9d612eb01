/** Reads a recording, a room's log as JSON lines, as far as it goes. */
import { asNumber, asObject, asString, type Json, listOf, objectOf, or, WireError } from "./check";
import { parseFrames } from "./parse";
import type { Frame, WireFeature } from "./types";

/** The version of `recording` lines that this page can read. */
const VERSION = 1;

/** A frame of a recording, and when it was made, in seconds; null where the file does not say. */
export interface Recorded {
  frame: Frame;
  time: number | null;
}

/** A picture to come back to. */
const scene = objectOf({
  name: asString,
  /** The line that is shown with it. */
  text: asString,
  /** Which run of the file, from 0, and which token of it; null for the last. */
  run: asNumber,
  token: or(asNumber, null),
  /** What is looked at, as an address says it. */
  view: asString,
  /** The camera's place and what it looks at; empty where nobody has moved it. */
  pose: listOf(asNumber),
  /** As an address says them. */
  edits: listOf(asString),
});
export type Scene = ReturnType<typeof scene>;
const scenesLine = objectOf({ scenes: listOf(scene) });

export interface Recording {
  frames: Recorded[];
  /** The end of the file is missing: the room was running, or the download broke. */
  cut: boolean;
  /** Lines that could not be read and are left out. */
  skipped: number;
  /** In the order in which they are shown. */
  scenes: Scene[];
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
    scenes: [],
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

/** A recording of several runs, with scenes that show them. */
export function recordingText(frames: readonly Recorded[], scenes: readonly Scene[]): string {
  const lines = [
    { type: "recording", seq: 0, version: VERSION },
    // Numbered anew: they may be of several rooms.
    ...frames.map(({ frame, time }, i) => ({ ...frame, seq: i + 1, time })),
    { type: "scenes", seq: 0, scenes },
    { type: "end", seq: 0, frames: frames.length },
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** The frames of each run of a recording. */
export function runsOf(frames: readonly Recorded[]): Recorded[][] {
  const runs: Recorded[][] = [];
  for (const one of frames) {
    if (one.frame.type === "started" || runs.length === 0) runs.push([]);
    runs.at(-1)?.push(one);
  }
  // What comes before the first run, such as a place in the queue, is none.
  const [first] = runs;
  const none = first?.every(({ frame }) => !["started", "prompt", "token"].includes(frame.type));
  return none ? runs.slice(1) : runs;
}

function addFrames(recording: Recording, value: Json, once: (text: string) => string): void {
  const problems: WireError[] = [];
  if (value.type === "scenes") {
    try {
      recording.scenes.push(...scenesLine(value, "scenes").scenes);
    } catch {
      recording.skipped += 1;
    }
    return;
  }
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
