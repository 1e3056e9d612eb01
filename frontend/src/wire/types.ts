/**
 * The gateway's frames, as in the WebSocket and in recordings: a table of fields each, which is its
 * type and its check. Absent and null both mean "unknown"; what is undefined here is left out.
 */
import {
  asBoolean,
  asNumber,
  asObject,
  asString,
  type Check,
  listOf,
  objectOf,
  oneOf,
  or,
  recordOf,
  WireError,
} from "./check";

const numberOrNull = or(asNumber, null);
const textOrNull = or(asString, null);
const number = or(asNumber, undefined);
const text = or(asString, undefined);
const flag = or(asBoolean, undefined);

const featureFields = objectOf({
  id: asNumber,
  /** Absent while it is not known; a `labels` frame may bring it later. */
  label: text,
  /** In the SAE's own units. Above 0, unless edits changed it: then the model goes on with this. */
  activation: asNumber,
  layer: asNumber,
  /** The SAE's id as Neuronpedia names it, e.g. `gpt2-small/8-res-jb`. */
  source: asString,
  /** The largest activation that the label's origin has seen; sent once in a generation, like: */
  max: number,
  /** How well the label predicts where the feature fires, 1 at best. */
  score: number,
  /** Share of tokens at which the feature fires. */
  density: number,
  /** Edits changed its activation here, which was `before` until then. */
  edited: flag,
  before: number,
});
/** One SAE feature that is active at a token. */
export type WireFeature = ReturnType<typeof featureFields>;

const feature: Check<WireFeature> = (value, what) => {
  const found = featureFields(value, what);
  if (found.edited && found.before === undefined) throw new WireError(`${what}.before is missing`);
  return found;
};

export const alternative = objectOf({ token: asString, token_id: asNumber, logprob: asNumber });
/** A next token that was likely, by the model's own probability (natural logarithm). */
export type Alternative = ReturnType<typeof alternative>;

export const effectFields = {
  /** Null: at every position where the feature is active. */
  position: numberOrNull,
  source: asString,
  feature: asNumber,
  label: text,
  /** The largest one if there are several positions. */
  activation: asNumber,
  /** Change of the token's log-probability: below 0 if the feature spoke for it. */
  logprob: asNumber,
  /** Change of the token's logit less the rival's. */
  logit: asNumber,
};
const effect = objectOf(effectFields);
/** What silencing one feature, at one position or at all, does to the explained token. */
export type Effect = ReturnType<typeof effect>;

export const coverage = {
  active: asNumber,
  tried: asNumber,
  /** Of gradient times activation with what was measured: Pearson's correlation, and the share of
   * the five strongest that are among the five that the gradient finds. */
  agreement: or(objectOf({ pearson: asNumber, top_5: asNumber }), null),
};
const causes = objectOf({
  /** The token that it is compared with. */
  rival: or(alternative, null),
  ...coverage,
  effects: listOf(effect),
});
/** What speaks for a token, and against it: the strongest first. */
export type Causes = ReturnType<typeof causes>;
/** How many features were active, how many of them were tried, and how well the choice was made. */
export type Coverage = Pick<Causes, keyof typeof coverage>;
export type Agreement = NonNullable<Coverage["agreement"]>;

const edit = objectOf({
  source: asString,
  feature: asNumber,
  /** In the SAE's own units, as `add`. */
  set: number,
  scale: number,
  add: number,
  /** Index of the feature that gets what this one had. */
  swap_with: number,
  where: oneOf("while_firing", "everywhere"),
  origin: or(oneOf("prompt", "generated"), undefined),
  first_position: number,
  last_position: number,
  include_bos: flag,
});
/** One change of a feature's activation: one of `set`, `scale`, `add` and `swap_with` is there. */
export type Edit = ReturnType<typeof edit>;

const branch = objectOf({
  name: asString,
  /** Decimal text: 64 bits. */
  seed: asString,
  edits: listOf(edit),
});
/** One of the texts that a run writes side by side. */
export type Branch = ReturnType<typeof branch>;

const message = objectOf({ role: asString, content: asString });
/** A turn of a conversation. */
export type Message = ReturnType<typeof message>;

const asked = objectOf({
  id: asString,
  /** Which feature to turn, or which token comes next. */
  kind: oneOf("turn", "guess"),
  text: asString,
  options: listOf(objectOf({ text: asString, edit: or(edit, undefined) })),
  /** Of a guess: where the token is. */
  branch: number,
  position: number,
});
/** What the presenter asks the hall. */
export type Asked = ReturnType<typeof asked>;

const votes = {
  /** By option. */
  options: listOf(asNumber),
  /** Typed words, the most frequent ones. */
  words: listOf(objectOf({ word: asString, votes: asNumber })),
  votes: asNumber,
};

const details = {
  /** The tokenizer's id. */
  token_id: number,
  /** By source: features active here, sent or not. */
  l0: or(recordOf(asNumber), undefined),
  /** By source: share of the activation vector that the SAE misses, 0 is perfect. */
  reconstruction_error: or(recordOf(asNumber), undefined),
  /** The likeliest tokens to follow this one, if they were asked for. */
  alternatives: or(listOf(alternative), undefined),
  /** Of a prompt that is a conversation: whose message it is of, or that the chat template added it. */
  role: text,
  template: flag,
};

const promptToken = objectOf({
  token: asString,
  position: asNumber,
  /** As in a `token` frame; only if alternatives were asked for, and not at the first token. */
  logprob: number,
  features: listOf(feature),
  ...details,
});
export type PromptToken = ReturnType<typeof promptToken>;
/** What a token's frame tells beside its features; older recordings have none of it. */
export type TokenDetails = Pick<PromptToken, keyof typeof details>;

const explained = objectOf({
  type: oneOf("effects"),
  seq: asNumber,
  branch: asNumber,
  position: asNumber,
});
type Effects = ReturnType<typeof explained> & ({ missed: true } | (Causes & { missed?: never }));
const effects: Check<Effects> = (value, what) => {
  const place = explained(value, what);
  if (asObject(value, what).missed === true) return { ...place, missed: true };
  return { ...place, ...causes(value, what) };
};

export const FRAMES = {
  room: objectOf({
    type: oneOf("room"),
    seq: asNumber,
    /** Seconds since 1970 by the server's clock, as of each frame. */
    time: number,
    room: asString,
    role: oneOf("presenter", "viewer"),
    viewers: asNumber,
    /** Whether a presenter is connected; older recordings do not say. */
    presenting: flag,
    open: or(asBoolean, false),
    /** False until others can join: until the first generation, or until it is shared. */
    published: flag,
    /** With a frame's `seq`, a position in the room's log. */
    epoch: number,
    /** Only for the one who opened the room: proves it again after a reconnect. */
    presenter_token: text,
  }),
  queued: objectOf({
    type: oneOf("queued"),
    seq: asNumber,
    /** Requests ahead of this one. */
    position: asNumber,
  }),
  started: objectOf({
    type: oneOf("started"),
    seq: asNumber,
    time: number,
    model: asString,
    sources: listOf(asString),
    params: asObject,
    /** Of a conversation, what the user said last. */
    prompt: asString,
    /** The conversation, if it is one. */
    messages: or(listOf(message), undefined),
    prompt_tokens: or(asNumber, 0),
    /** In the order of their index; older recordings have none. */
    branches: or(listOf(branch), [] as Branch[]),
    /** Most tokens a second of each branch; 0 is as fast as it goes. */
    pace: or(asNumber, 0),
    /** How many alternatives each token carries; null if none were asked for. */
    alternatives: numberOrNull,
  }),
  prompt: objectOf({
    type: oneOf("prompt"),
    seq: asNumber,
    /** Index of the run's branch that it is of; absent where there is one only. */
    branch: number,
    tokens: listOf(promptToken),
  }),
  token: objectOf({
    type: oneOf("token"),
    seq: asNumber,
    /** As in a `prompt` frame. */
    branch: number,
    /** The text this token adds; "" when it ends inside a character. */
    token: asString,
    step: asNumber,
    position: asNumber,
    /** Natural logarithm of the model's own probability of this token. */
    logprob: numberOrNull,
    features: listOf(feature),
    ...details,
  }),
  /** A branch goes on with other edits. */
  edited: objectOf({
    type: oneOf("edited"),
    seq: asNumber,
    branch: asNumber,
    /** The first position at which they are in force. */
    position: asNumber,
    /** All of them. */
    edits: listOf(edit),
  }),
  /** What speaks for a generated token; `missed` if there was no room to measure it. */
  effects,
  /** One of several branches ended; the others go on. */
  branch_ended: objectOf({
    type: oneOf("branch_ended"),
    seq: asNumber,
    branch: asNumber,
    reason: asString,
    generated_tokens: asNumber,
  }),
  labels: objectOf({
    type: oneOf("labels"),
    seq: asNumber,
    source: asString,
    /** By feature index, in decimal. */
    labels: recordOf(asString),
    /** Their largest activations, their labels' scores and their densities, as far as known. */
    max: or(recordOf(asNumber), undefined),
    score: or(recordOf(asNumber), undefined),
    density: or(recordOf(asNumber), undefined),
  }),
  finished: objectOf({
    type: oneOf("finished"),
    seq: asNumber,
    status: asString,
    reason: asString,
    prompt_tokens: numberOrNull,
    generated_tokens: numberOrNull,
    /** Nanoseconds by stage, e.g. `decode_ns`. */
    timings: or<Record<string, number>, Record<string, number>>(recordOf(asNumber), {}),
  }),
  error: objectOf({
    type: oneOf("error"),
    seq: asNumber,
    error: asString,
    message: asString,
    /** The knob or field at fault, if there is one. */
    field: textOrNull,
    /** Seconds after which trying again makes sense. */
    retry_after: number,
  }),
  /** Where the presenter looks. It is not in the room's log; only the newest counts. */
  view: objectOf({
    type: oneOf("view"),
    seq: asNumber,
    /** The camera's pose, as the presenter's page sent it. */
    pose: listOf(asNumber),
    /** The chosen feature, `source/index`. */
    feature: textOrNull,
    /** Index of the token looked at; null while it follows the newest. */
    token: numberOrNull,
    /** As they are typed; absent if the presenter's page does not tell what is on show. */
    filters: or(listOf(asString), undefined),
    /** The sources shown; null for all. */
    sources: or(listOf(asString), null),
  }),
  /** What the presenter asks the hall; null: nothing any more. Not in the log. */
  question: objectOf({ type: oneOf("question"), seq: asNumber, question: or(asked, null) }),
  /** The votes so far. Not in the log. */
  tally: objectOf({ type: oneOf("tally"), seq: asNumber, question: asString, ...votes }),
  /** How a vote has ended; `answer` is the token that came. */
  outcome: objectOf({
    type: oneOf("outcome"),
    seq: asNumber,
    question: asked,
    ...votes,
    answer: textOrNull,
  }),
  /** Who waits to generate, the next one first. Not in the log. */
  line: objectOf({
    type: oneOf("line"),
    seq: asNumber,
    places: listOf(objectOf({ id: asString, name: asString })),
    /** This page's place. */
    mine: textOrNull,
  }),
};

export type FrameType = keyof typeof FRAMES;
type FrameOf<T extends FrameType> = ReturnType<(typeof FRAMES)[T]>;
/** Frames that stand alone; a batch only wraps them. */
export type Frame = { [T in FrameType]: FrameOf<T> }[FrameType];
export type RoomFrame = FrameOf<"room">;
export type Role = RoomFrame["role"];
export type StartedFrame = FrameOf<"started">;
export type TokenFrame = FrameOf<"token">;
export type EffectsFrame = FrameOf<"effects">;
export type FinishedFrame = FrameOf<"finished">;
export type ErrorFrame = FrameOf<"error">;
export type ViewFrame = FrameOf<"view">;
export type OutcomeFrame = FrameOf<"outcome">;
export type LineFrame = FrameOf<"line">;
/** The votes on a question, so far or at its end. */
export type Votes = Pick<OutcomeFrame, keyof typeof votes>;
/** Frames of a room that are not in its log, besides errors: only the newest of each counts. */
export type PresenceFrame = FrameOf<"room" | "view" | "question" | "tally" | "line">;
const PRESENCE: ReadonlySet<string> = new Set(["room", "view", "question", "tally", "line"]);
export function isPresence(frame: Frame): frame is PresenceFrame {
  return PRESENCE.has(frame.type);
}

/** Lets everybody in the room generate, or the presenter alone. */
export interface OpenRequest {
  type: "open";
  open: boolean;
}

/** Lets others find the room before anything was generated in it. */
export interface ShareRequest {
  type: "share";
}

/** Tells those who watch where the presenter looks. */
export type ViewRequest = Omit<ViewFrame, "seq">;

/** The first message on `/ws?enter`: the access token, and the room's presenter token. */
export interface EnterRequest {
  type: "enter";
  access: string | null;
  token: string | null;
  /** Tells this browser from others, for votes. */
  voter?: string;
}

/** Asks the server for a `pong`, to see that the connection works. */
export interface PingRequest {
  type: "ping";
}
