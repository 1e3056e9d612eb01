/** The gateway's frames, one interface each, as in the WebSocket and in recordings. */

/** One SAE feature that is active at a token. */
export interface WireFeature {
  id: number;
  /** Absent while it is not known; a `labels` frame may bring it later. */
  label?: string;
  /** In the SAE's own units. Above 0, unless edits changed it: then the model goes on with this. */
  activation: number;
  layer: number;
  /** The SAE's id as Neuronpedia names it, e.g. `gpt2-small/8-res-jb`. */
  source: string;
  /** The largest activation that the label's origin has seen; sent once in a generation. */
  max?: number;
  /** Edits changed its activation here, which was `before` until then. */
  edited?: true;
  before?: number;
}

/** A next token that was likely, by the model's own probability (natural logarithm). */
export interface Alternative {
  token: string;
  token_id: number;
  logprob: number;
}

/** What silencing one feature, at one position or at all, does to the explained token. */
export interface Effect {
  /** Null: at every position where the feature is active. */
  position: number | null;
  source: string;
  feature: number;
  label?: string;
  /** The largest one if there are several positions. */
  activation: number;
  /** Change of the token's log-probability: below 0 if the feature spoke for it. */
  logprob: number;
  /** Change of the token's logit less the rival's. */
  logit: number;
}

/** How far gradient times activation agrees with what was measured. */
export interface Agreement {
  /** Pearson's correlation. */
  pearson: number;
  /** Share of the five strongest that are among the five that the gradient finds. */
  top_5: number;
}

/** How many features were active, how many of them were tried, and how well the choice was made. */
export interface Coverage {
  active: number;
  tried: number;
  agreement: Agreement | null;
}

/** What speaks for a token, and against it: the strongest first. */
export interface Causes extends Coverage {
  /** The token that it is compared with. */
  rival: Alternative | null;
  effects: Effect[];
}

/** One change of a feature's activation: one of `set`, `scale`, `add` and `swap_with` is there. */
export interface Edit {
  source: string;
  feature: number;
  /** In the SAE's own units, as `add`. */
  set?: number;
  scale?: number;
  add?: number;
  /** Index of the feature that gets what this one had. */
  swap_with?: number;
  where: "while_firing" | "everywhere";
  origin?: "prompt" | "generated";
  first_position?: number;
  last_position?: number;
  include_bos?: boolean;
}

/** One of the texts that a run writes side by side. */
export interface Branch {
  name: string;
  /** Decimal text: 64 bits. */
  seed: string;
  edits: Edit[];
}

/** What a token's frame tells beside its features; older recordings have none of it. */
export interface TokenDetails {
  /** The tokenizer's id. */
  token_id?: number;
  /** By source: features active here, sent or not. */
  l0?: Record<string, number>;
  /** By source: share of the activation vector that the SAE misses, 0 is perfect. */
  reconstruction_error?: Record<string, number>;
  /** The likeliest tokens to follow this one, if they were asked for. */
  alternatives?: Alternative[];
}

export interface PromptToken extends TokenDetails {
  token: string;
  position: number;
  /** As in `TokenFrame`; only if alternatives were asked for, and not at the first token. */
  logprob?: number;
  features: WireFeature[];
}

export type Role = "presenter" | "viewer";

export interface RoomFrame {
  type: "room";
  seq: number;
  room: string;
  role: Role;
  viewers: number;
  /** Whether a presenter is connected; older recordings do not say. */
  presenting?: boolean;
  open: boolean;
  /** False until others can join: until the first generation, or until it is shared. */
  published?: boolean;
  /** With a frame's `seq`, a position in the room's log. */
  epoch?: number;
  /** Only for the one who opened the room: proves it again after a reconnect. */
  presenter_token?: string;
}

export interface QueuedFrame {
  type: "queued";
  seq: number;
  /** Requests ahead of this one. */
  position: number;
}

export interface StartedFrame {
  type: "started";
  seq: number;
  model: string;
  sources: string[];
  params: Record<string, unknown>;
  prompt: string;
  prompt_tokens: number;
  /** In the order of their index; older recordings have none. */
  branches: Branch[];
  /** Most tokens a second of each branch; 0 is as fast as it goes. */
  pace: number;
  /** How many alternatives each token carries; null if none were asked for. */
  alternatives: number | null;
}

export interface PromptFrame {
  type: "prompt";
  seq: number;
  /** Index of the run's branch that it is of; absent where there is one only. */
  branch?: number;
  tokens: PromptToken[];
}

export interface TokenFrame extends TokenDetails {
  type: "token";
  seq: number;
  /** As in `PromptFrame`. */
  branch?: number;
  /** The text this token adds; "" when it ends inside a character. */
  token: string;
  step: number;
  position: number;
  /** Natural logarithm of the model's own probability of this token. */
  logprob: number | null;
  features: WireFeature[];
}

/** A branch goes on with other edits. */
export interface EditedFrame {
  type: "edited";
  seq: number;
  branch: number;
  /** The first position at which they are in force. */
  position: number;
  /** All of them. */
  edits: Edit[];
}

/** What speaks for a generated token; `missed` if there was no room to measure it. */
export type EffectsFrame = {
  type: "effects";
  seq: number;
  branch: number;
  position: number;
} & ({ missed: true } | (Causes & { missed?: never }));

/** One of several branches ended; the others go on. */
export interface BranchEndedFrame {
  type: "branch_ended";
  seq: number;
  branch: number;
  reason: string;
  generated_tokens: number;
}

export interface LabelsFrame {
  type: "labels";
  seq: number;
  source: string;
  /** By feature index, in decimal. */
  labels: Record<string, string>;
  /** Their largest activations, if those are known. */
  max?: Record<string, number>;
}

/** Nanoseconds by stage, e.g. `decode_ns`. */
export type Timings = Record<string, number>;

export interface FinishedFrame {
  type: "finished";
  seq: number;
  status: string;
  reason: string;
  prompt_tokens: number | null;
  generated_tokens: number | null;
  timings: Timings;
}

export interface ErrorFrame {
  type: "error";
  seq: number;
  error: string;
  message: string;
  /** The knob or field at fault, if there is one. */
  field: string | null;
  /** Seconds after which trying again makes sense. */
  retry_after?: number;
}

/** Where the presenter looks. It is not in the room's log; only the newest counts. */
export interface ViewFrame {
  type: "view";
  seq: number;
  /** The camera's pose, as the presenter's page sent it. */
  pose: number[];
  /** The chosen feature, `source/index`. */
  feature: string | null;
  /** Index of the token looked at; null while it follows the newest. */
  token: number | null;
}

/** Frames that stand alone; a batch only wraps them. */
export type Frame =
  | RoomFrame
  | QueuedFrame
  | StartedFrame
  | PromptFrame
  | TokenFrame
  | EditedFrame
  | EffectsFrame
  | BranchEndedFrame
  | LabelsFrame
  | FinishedFrame
  | ErrorFrame
  | ViewFrame;

export type FrameType = Frame["type"];

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
}

/** Asks the server for a `pong`, to see that the connection works. */
export interface PingRequest {
  type: "ping";
}

/** What the page asks for; a knob left out means the server's default. */
export interface GenerateRequest {
  type: "generate";
  prompt: string;
  model?: string;
  max_tokens?: number;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  repetition_penalty?: number;
  /** Decimal string: 64 bits do not fit a JavaScript number. */
  seed?: string;
  feat_k?: number;
  act_threshold?: number;
  sources?: string[];
  /** Most tokens a second of each branch; 0 is as fast as it goes. */
  pace?: number;
  /** How many likeliest next tokens each token is to carry. */
  alternatives?: number;
  /** The causes of each token are to follow it. */
  explain?: { limit?: number };
  /** Of the only branch; not beside `branches`. */
  edits?: readonly Edit[];
  branches?: readonly { name: string; edits?: readonly Edit[] }[];
}

/** Gives a branch of the running generation these edits and no others. */
export interface EditRequest {
  type: "edit";
  branch: number;
  edits: readonly Edit[];
}
