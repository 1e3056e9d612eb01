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
import { parseAlternative, parseCauses } from "./causes";
import type {
  Branch,
  Edit,
  Frame,
  FrameType,
  PromptToken,
  TokenDetails,
  WireFeature,
} from "./types";

/** Called with what breaks the contract; that is skipped, and the rest goes on. */
export type Broken = (error: WireError) => void;

/**
 * Parses one message into its frames: one, several for a batch, none for an unknown type. A frame
 * that breaks the contract goes to `broken` and is left out; the others of its batch are kept.
 */
export function parseMessage(text: string, broken: Broken): Frame[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    broken(new WireError("message is not JSON"));
    return [];
  }
  return parseFrames(value, broken);
}

/** Like `parseMessage`, for JSON that is parsed already. */
export function parseFrames(value: unknown, broken: Broken): Frame[] {
  try {
    const frame = asObject(value, "frame");
    const type = asString(frame.type, "type");
    if (type === "batch") {
      return asArray(frame.frames, "batch.frames").flatMap((inner) => parseFrames(inner, broken));
    }
    if (!isKnown(type)) return [];
    return [parsers[type](frame, asNumber(frame.seq, `${type}.seq`))];
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    broken(error);
    return [];
  }
}

const parsers: Record<FrameType, (frame: Json, seq: number) => Frame> = {
  room: (f, seq) => {
    const role = asString(f.role, "room.role");
    if (role !== "presenter" && role !== "viewer") throw new WireError(`room.role is ${role}`);
    const token = optional(f.presenter_token, "room.presenter_token", asString);
    const published = optional(f.published, "room.published", asBoolean);
    const epoch = optional(f.epoch, "room.epoch", asNumber);
    const presenting = optional(f.presenting, "room.presenting", asBoolean);
    return {
      type: "room",
      seq,
      room: asString(f.room, "room.room"),
      role,
      viewers: asNumber(f.viewers, "room.viewers"),
      open: optional(f.open, "room.open", asBoolean) ?? false,
      ...(published === null ? {} : { published }),
      ...(epoch === null ? {} : { epoch }),
      ...(presenting === null ? {} : { presenting }),
      ...(token === null ? {} : { presenter_token: token }),
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
    branches: asArray(f.branches ?? [], "started.branches").map(parseRunBranch),
    pace: optional(f.pace, "started.pace", asNumber) ?? 0,
    alternatives: optional(f.alternatives, "started.alternatives", asNumber),
  }),
  prompt: (f, seq) => ({
    type: "prompt",
    seq,
    tokens: asArray(f.tokens, "prompt.tokens").map(parsePromptToken),
    ...parseBranch(f),
  }),
  token: (f, seq) => ({
    type: "token",
    seq,
    token: asString(f.token, "token.token"),
    step: asNumber(f.step, "token.step"),
    position: asNumber(f.position, "token.position"),
    logprob: optional(f.logprob, "token.logprob", asNumber),
    features: asArray(f.features, "token.features").map(parseFeature),
    ...parseBranch(f),
    ...parseDetails(f),
  }),
  edited: (f, seq) => ({
    type: "edited",
    seq,
    branch: asNumber(f.branch, "edited.branch"),
    position: asNumber(f.position, "edited.position"),
    edits: asArray(f.edits, "edited.edits").map(parseEdit),
  }),
  effects: (f, seq) => {
    const place = {
      type: "effects" as const,
      seq,
      branch: asNumber(f.branch, "effects.branch"),
      position: asNumber(f.position, "effects.position"),
    };
    return f.missed === true ? { ...place, missed: true } : { ...place, ...parseCauses(f) };
  },
  branch_ended: (f, seq) => ({
    type: "branch_ended",
    seq,
    branch: asNumber(f.branch, "branch_ended.branch"),
    reason: asString(f.reason, "branch_ended.reason"),
    generated_tokens: asNumber(f.generated_tokens, "branch_ended.generated_tokens"),
  }),
  labels: (f, seq) => ({
    type: "labels",
    seq,
    source: asString(f.source, "labels.source"),
    labels: asRecord(f.labels, "labels.labels", asString),
    max: asRecord(f.max ?? {}, "labels.max", asNumber),
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
  const logprob = optional(token.logprob, "prompt.tokens.logprob", asNumber);
  return {
    token: asString(token.token, "prompt.tokens.token"),
    position: asNumber(token.position, "prompt.tokens.position"),
    features: asArray(token.features, "prompt.tokens.features").map(parseFeature),
    ...(logprob === null ? {} : { logprob }),
    ...parseDetails(token),
  };
}

function parseRunBranch(value: unknown): Branch {
  const branch = asObject(value, "branch");
  return {
    name: asString(branch.name, "branch.name"),
    seed: asString(branch.seed, "branch.seed"),
    edits: asArray(branch.edits, "branch.edits").map(parseEdit),
  };
}

function parseEdit(value: unknown): Edit {
  const edit = asObject(value, "edit");
  const where = asString(edit.where, "edit.where");
  if (where !== "while_firing" && where !== "everywhere") {
    throw new WireError(`edit.where is ${where}`);
  }
  const origin = optional(edit.origin, "edit.origin", asString);
  if (origin !== null && origin !== "prompt" && origin !== "generated") {
    throw new WireError(`edit.origin is ${origin}`);
  }
  const numbers = EDIT_NUMBERS.flatMap((name): [string, number][] => {
    const number = optional(edit[name], `edit.${name}`, asNumber);
    return number === null ? [] : [[name, number]];
  });
  const bos = optional(edit.include_bos, "edit.include_bos", asBoolean);
  return {
    source: asString(edit.source, "edit.source"),
    feature: asNumber(edit.feature, "edit.feature"),
    where,
    ...Object.fromEntries(numbers),
    ...(origin === null ? {} : { origin }),
    ...(bos === null ? {} : { include_bos: bos }),
  };
}

const EDIT_NUMBERS = ["set", "scale", "add", "swap_with", "first_position", "last_position"];

/** Absent where a run has one branch only. */
function parseBranch(frame: Json): { branch?: number } {
  const branch = optional(frame.branch, "branch", asNumber);
  return branch === null ? {} : { branch };
}

/** Details that a recording lacks are left out, not null. */
function parseDetails(token: Json): TokenDetails {
  const id = optional(token.token_id, "token_id", asNumber);
  const perSource = (name: "l0" | "reconstruction_error") =>
    optional(token[name], name, (value, what) => asRecord(value, what, asNumber));
  const [l0, missed] = [perSource("l0"), perSource("reconstruction_error")];
  const alternatives = optional(token.alternatives, "alternatives", asArray);
  return {
    ...(id === null ? {} : { token_id: id }),
    ...(l0 === null ? {} : { l0 }),
    ...(missed === null ? {} : { reconstruction_error: missed }),
    ...(alternatives === null ? {} : { alternatives: alternatives.map(parseAlternative) }),
  };
}

function parseFeature(value: unknown): WireFeature {
  const feature = asObject(value, "feature");
  // Recordings of earlier versions have null where there is no label.
  const label = optional(feature.label, "feature.label", asString);
  const max = optional(feature.max, "feature.max", asNumber);
  const edited = optional(feature.edited, "feature.edited", asBoolean) ?? false;
  return {
    id: asNumber(feature.id, "feature.id"),
    ...(label === null ? {} : { label }),
    activation: asNumber(feature.activation, "feature.activation"),
    layer: asNumber(feature.layer, "feature.layer"),
    source: asString(feature.source, "feature.source"),
    ...(max === null ? {} : { max }),
    ...(edited ? { edited, before: asNumber(feature.before, "feature.before") } : {}),
  };
}
