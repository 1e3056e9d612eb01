/** What speaks for a token: in a room's log, and as the answer of `POST /api/explain`. */
import { asArray, asNumber, asObject, asString, type Json, optional } from "./check";
import type {
  Agreement,
  Alternative,
  Causes,
  Coverage,
  Edit,
  Effect,
  ErrorFrame,
  TokenDetails,
} from "./types";

/** A feature silenced, at one position or at all. */
export interface Removal {
  source: string;
  feature: number;
  position: number | null;
}

/** The body of `POST /api/explain`: a token of a text, and what is to be tried. */
export interface ExplainRequest {
  /** The text's tokens, up to and with the explained one. */
  token_ids: readonly number[];
  position: number;
  /** How many of them are the prompt's. */
  prompt_tokens: number;
  model?: string;
  rival?: { token_id: number };
  sources?: readonly string[];
  limit?: number;
  edits?: readonly Edit[];
  path?: Removal;
  progress?: boolean;
}

/** How a feature of the next source changes. */
export interface PathEffect {
  position: number;
  feature: number;
  label?: string;
  before: number;
  after: number;
}

/** What one removal does to the features of the next source, the largest change first. */
export interface Path {
  source: string;
  removal: Removal & { label?: string };
  effects: PathEffect[];
}

/** What is explained. */
export interface Explaining {
  model: string;
  sources: string[];
  /** The tokens that were read. */
  tokens: (Required<Pick<TokenDetails, "token_id">> & { position: number; token: string })[];
  position: number;
  /** With its log-probability before any removal, as the rival's. */
  target: Alternative;
  rival: Alternative;
  /** Logit of the target less that of the rival. */
  logit: number;
  active: number;
  tried: number;
}

/** One line of the answer. */
export type AnswerEvent =
  | ({ type: "explaining" } & Explaining)
  | { type: "effects"; effects: Effect[] }
  | ({ type: "path" } & Path)
  | ({ type: "effect" } & Effect)
  | ({ type: "explained"; elapsed_ms: number } & Coverage)
  | Omit<ErrorFrame, "seq">;

/** An event of an answer; null for a kind that this page does not know. Throws WireError. */
export function parseAnswer(value: unknown): AnswerEvent | null {
  const f = asObject(value, "answer");
  switch (f.type) {
    case "explaining":
      return {
        type: "explaining",
        model: asString(f.model, "explaining.model"),
        sources: asArray(f.sources, "explaining.sources").map((s) => asString(s, "source")),
        tokens: asArray(f.tokens, "explaining.tokens").map((item) => {
          const token = asObject(item, "explaining.tokens");
          return {
            position: asNumber(token.position, "tokens.position"),
            token_id: asNumber(token.token_id, "tokens.token_id"),
            token: asString(token.token, "tokens.token"),
          };
        }),
        position: asNumber(f.position, "explaining.position"),
        target: parseAlternative(f.target),
        rival: parseAlternative(f.rival),
        logit: asNumber(f.logit, "explaining.logit"),
        active: asNumber(f.active, "explaining.active"),
        tried: asNumber(f.tried, "explaining.tried"),
      };
    case "effects":
      return { type: "effects", effects: asArray(f.effects, "effects").map(parseEffect) };
    case "path":
      return { type: "path", ...parsePath(f) };
    case "effect":
      return { type: "effect", ...parseEffect(f) };
    case "explained":
      return {
        type: "explained",
        ...parseCoverage(f),
        elapsed_ms: asNumber(f.elapsed_ms, "explained.elapsed_ms"),
      };
    case "error": {
      const retryAfter = optional(f.retry_after, "error.retry_after", asNumber);
      return {
        type: "error",
        error: asString(f.error, "error.error"),
        message: asString(f.message, "error.message"),
        field: optional(f.field, "error.field", asString),
        ...(retryAfter === null ? {} : { retry_after: retryAfter }),
      };
    }
    default:
      return null;
  }
}

export function parseCauses(frame: Json): Causes {
  return {
    rival: optional(frame.rival, "effects.rival", parseAlternative),
    ...parseCoverage(frame),
    effects: asArray(frame.effects, "effects.effects").map(parseEffect),
  };
}

export function parseAlternative(value: unknown): Alternative {
  const alternative = asObject(value, "alternative");
  return {
    token: asString(alternative.token, "alternative.token"),
    token_id: asNumber(alternative.token_id, "alternative.token_id"),
    logprob: asNumber(alternative.logprob, "alternative.logprob"),
  };
}

function parseCoverage(f: Json): Coverage {
  return {
    active: asNumber(f.active, "active"),
    tried: asNumber(f.tried, "tried"),
    agreement: optional(f.agreement, "agreement", parseAgreement),
  };
}

function parseAgreement(value: unknown): Agreement {
  const agreement = asObject(value, "agreement");
  return {
    pearson: asNumber(agreement.pearson, "agreement.pearson"),
    top_5: asNumber(agreement.top_5, "agreement.top_5"),
  };
}

function parseEffect(value: unknown): Effect {
  const effect = asObject(value, "effect");
  return {
    position: optional(effect.position, "effect.position", asNumber),
    source: asString(effect.source, "effect.source"),
    feature: asNumber(effect.feature, "effect.feature"),
    ...parseLabel(effect),
    activation: asNumber(effect.activation, "effect.activation"),
    logprob: asNumber(effect.logprob, "effect.logprob"),
    logit: asNumber(effect.logit, "effect.logit"),
  };
}

function parsePath(f: Json): Path {
  const removal = asObject(f.removal, "path.removal");
  return {
    source: asString(f.source, "path.source"),
    removal: {
      source: asString(removal.source, "path.removal.source"),
      feature: asNumber(removal.feature, "path.removal.feature"),
      ...parseLabel(removal),
      position: optional(removal.position, "path.removal.position", asNumber),
    },
    effects: asArray(f.effects, "path.effects").map((item) => {
      const effect = asObject(item, "path.effects");
      return {
        position: asNumber(effect.position, "path.position"),
        feature: asNumber(effect.feature, "path.feature"),
        ...parseLabel(effect),
        before: asNumber(effect.before, "path.before"),
        after: asNumber(effect.after, "path.after"),
      };
    }),
  };
}

function parseLabel(value: Json): { label?: string } {
  const label = optional(value.label, "label", asString);
  return label === null ? {} : { label };
}
