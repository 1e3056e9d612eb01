/** From JSON text to typed frames. Frame types this page does not know are skipped, not errors. */
import {
  asArray,
  asBoolean,
  asNumber,
  asObject,
  asRecord,
  asString,
  type Json,
  optional,
  WireError,
} from "./check";
import type { Frame, FrameType, PromptToken, WireFeature } from "./types";

/**
 * Parses one message into its frames: one, several for a batch, none for an unknown type.
 * Throws WireError when the message breaks the contract.
 */
export function parseMessage(text: string): Frame[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WireError("message is not JSON");
  }
  return parseFrames(value);
}

/** A frame of a recording, and when it was made, in seconds; null where the file does not say. */
export interface Recorded {
  frame: Frame;
  time: number | null;
}

/**
 * Parses a recording: one message a line, empty lines allowed. Throws WireError when it is none,
 * or when its end is missing.
 */
export function parseRecording(text: string): Recorded[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const values = lines.map(parseLine);
  const recorded = values.flatMap((value) => {
    const time = optional(asObject(value, "frame").time, "time", asNumber);
    return parseFrames(value).map((frame) => ({ frame, time }));
  });
  if (recorded.length === 0) throw new WireError("it holds no frames");
  const kind = (value: unknown): unknown => value && asObject(value, "frame").type;
  if (kind(values[0]) === "recording" && kind(values.at(-1)) !== "end") {
    throw new WireError("its end is missing: it was cut off");
  }
  return recorded;
}

function parseLine(line: string, index: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new WireError(`line ${index + 1} is not JSON: it is cut off, or no recording`);
  }
}

function parseFrames(value: unknown): Frame[] {
  const frame = asObject(value, "frame");
  const type = asString(frame.type, "type");
  if (type === "batch") return asArray(frame.frames, "batch.frames").flatMap(parseFrames);
  if (!isKnown(type)) return [];
  return [parsers[type](frame, asNumber(frame.seq, `${type}.seq`))];
}

const parsers: Record<FrameType, (frame: Json, seq: number) => Frame> = {
  room: (f, seq) => {
    const role = asString(f.role, "room.role");
    if (role !== "presenter" && role !== "viewer") throw new WireError(`room.role is ${role}`);
    const token = optional(f.token, "room.token", asString);
    const presenting = optional(f.presenting, "room.presenting", asBoolean);
    return {
      type: "room",
      seq,
      room: asString(f.room, "room.room"),
      role,
      viewers: asNumber(f.viewers, "room.viewers"),
      open: optional(f.open, "room.open", asBoolean) ?? false,
      ...(presenting === null ? {} : { presenting }),
      ...(token === null ? {} : { token }),
    };
  },
  queued: (f, seq) => ({ type: "queued", seq, position: asNumber(f.position, "queued.position") }),
  started: (f, seq) => ({
    type: "started",
    seq,
    model: asString(f.model, "started.model"),
    sources: asArray(f.sources, "started.sources").map((s) => asString(s, "started.sources")),
    params: asObject(f.params, "started.params"),
    prompt: asString(f.prompt, "started.prompt"),
    prompt_tokens: optional(f.prompt_tokens, "started.prompt_tokens", asNumber) ?? 0,
  }),
  prompt: (f, seq) => ({
    type: "prompt",
    seq,
    tokens: asArray(f.tokens, "prompt.tokens").map(parsePromptToken),
  }),
  token: (f, seq) => ({
    type: "token",
    seq,
    token: asString(f.token, "token.token"),
    step: asNumber(f.step, "token.step"),
    position: asNumber(f.position, "token.position"),
    logprob: optional(f.logprob, "token.logprob", asNumber),
    features: asArray(f.features, "token.features").map(parseFeature),
  }),
  labels: (f, seq) => ({
    type: "labels",
    seq,
    source: asString(f.source, "labels.source"),
    labels: asRecord(f.labels, "labels.labels", asString),
  }),
  finished: (f, seq) => ({
    type: "finished",
    seq,
    status: asString(f.status, "finished.status"),
    reason: asString(f.reason, "finished.reason"),
    prompt_tokens: optional(f.prompt_tokens, "finished.prompt_tokens", asNumber),
    generated_tokens: optional(f.generated_tokens, "finished.generated_tokens", asNumber),
    timings: asRecord(f.timings ?? {}, "finished.timings", asNumber),
  }),
  error: (f, seq) => {
    const retryAfter = optional(f.retry_after, "error.retry_after", asNumber);
    return {
      type: "error",
      seq,
      error: asString(f.error, "error.error"),
      message: asString(f.message, "error.message"),
      field: optional(f.field, "error.field", asString),
      ...(retryAfter === null ? {} : { retry_after: retryAfter }),
    };
  },
  view: (f, seq) => ({
    type: "view",
    seq,
    pose: asArray(f.pose, "view.pose").map((number) => asNumber(number, "view.pose")),
    feature: optional(f.feature, "view.feature", asString),
    token: optional(f.token, "view.token", asNumber),
  }),
};

function isKnown(type: string): type is FrameType {
  return Object.hasOwn(parsers, type);
}

function parsePromptToken(value: unknown): PromptToken {
  const token = asObject(value, "prompt.tokens");
  return {
    token: asString(token.token, "prompt.tokens.token"),
    position: asNumber(token.position, "prompt.tokens.position"),
    features: asArray(token.features, "prompt.tokens.features").map(parseFeature),
  };
}

function parseFeature(value: unknown): WireFeature {
  const feature = asObject(value, "feature");
  return {
    id: asNumber(feature.id, "feature.id"),
    label: optional(feature.label, "feature.label", asString),
    activation: asNumber(feature.activation, "feature.activation"),
    layer: asNumber(feature.layer, "feature.layer"),
    source: asString(feature.source, "feature.source"),
  };
}
