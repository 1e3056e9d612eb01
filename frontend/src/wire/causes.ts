/** What speaks for a token: the answer of `POST /api/explain`. */
import { asNumber, asObject, asString, listOf, objectOf, oneOf, or } from "./check";
import { alternative, coverage, type Edit, effectFields } from "./types";

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

const label = or(asString, undefined);
const position = or(asNumber, null);

/** What one removal does to the features of the next source, the largest change first. */
const path = objectOf({
  type: oneOf("path"),
  source: asString,
  removal: objectOf({ source: asString, feature: asNumber, label, position }),
  /** How features of the next source change. */
  effects: listOf(
    objectOf({
      position: asNumber,
      feature: asNumber,
      label,
      before: asNumber,
      after: asNumber,
    }),
  ),
});
export type Path = Omit<ReturnType<typeof path>, "type">;
export type PathEffect = Path["effects"][number];

/** What is explained. */
const explaining = objectOf({
  type: oneOf("explaining"),
  model: asString,
  sources: listOf(asString),
  /** The tokens that were read. */
  tokens: listOf(objectOf({ position: asNumber, token_id: asNumber, token: asString })),
  position: asNumber,
  /** With its log-probability before any removal, as the rival's. */
  target: alternative,
  rival: alternative,
  /** Logit of the target less that of the rival. */
  logit: asNumber,
  active: asNumber,
  tried: asNumber,
});
export type Explaining = Omit<ReturnType<typeof explaining>, "type">;

/** The lines of an answer. */
const LINES = {
  explaining,
  effects: objectOf({ type: oneOf("effects"), effects: listOf(objectOf(effectFields)) }),
  path,
  effect: objectOf({ type: oneOf("effect"), ...effectFields }),
  explained: objectOf({ type: oneOf("explained"), ...coverage, elapsed_ms: asNumber }),
  error: objectOf({
    type: oneOf("error"),
    error: asString,
    message: asString,
    field: or(asString, null),
    retry_after: or(asNumber, undefined),
  }),
};
type LineType = keyof typeof LINES;
/** One line of the answer. */
export type AnswerEvent = { [T in LineType]: ReturnType<(typeof LINES)[T]> }[LineType];

/** An event of an answer; null for a kind that this page does not know. Throws WireError. */
export function parseAnswer(value: unknown): AnswerEvent | null {
  const type = asString(asObject(value, "answer").type, "type");
  return isLine(type) ? LINES[type](value, type) : null;
}

function isLine(type: string): type is LineType {
  return Object.hasOwn(LINES, type);
}
