/**
 * The address of a view and of a run: what is on show, and the settings that make the same run
 * again, as a query string of short readable names.
 */
import type { Edit } from "../wire/types";
import { type KnobName, KNOBS } from "../wire/model";
import { editText, MOST_EDITS, readEdit } from "./edits";
import { type View, VIEW_NAMES, viewPairs } from "./view";

/** All that a generation depends on, as a link names it. */
export interface SharedRun {
  prompt: string;
  /** Whether the model is to answer it, as a conversation. */
  chat: boolean;
  /** Null for the server's default. */
  model: string | null;
  /** By their names in requests; as text, since the seed has 64 bits. */
  knobs: Partial<Record<KnobName, string>>;
}

const RUN_NAMES: readonly string[] = ["prompt", "chat", "model", ...KNOBS];

/** The edits of the next run. */
export function readEdits(query: URLSearchParams): Edit[] {
  const edits = query.getAll("edit").flatMap((text) => readEdit(text) ?? []);
  return edits.slice(0, MOST_EDITS);
}

/** The run that a query describes; null if it has no prompt. */
export function readRun(query: URLSearchParams): SharedRun | null {
  const prompt = query.get("prompt");
  if (prompt === null) return null;
  const knobs = KNOBS.flatMap((name): [KnobName, string][] => {
    const value = query.get(name);
    return value === null || !Number.isFinite(Number(value)) ? [] : [[name, value]];
  });
  return {
    prompt,
    chat: query.has("chat"),
    model: query.get("model"),
    knobs: Object.fromEntries(knobs),
  };
}

/** The query with its view and its edits replaced by these. */
export function withView(query: URLSearchParams, view: View, edits: readonly Edit[]): string {
  const others = [...without(query, [...VIEW_NAMES, "edit"])];
  return encode([...others, ...viewPairs(view), ...editPairs(edits)]);
}

/** The query without the run that it describes. */
export function withoutRun(query: URLSearchParams): URLSearchParams {
  return readRun(query) === null ? query : without(query, RUN_NAMES);
}

export function without(query: URLSearchParams, names: readonly string[]): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => !names.includes(name)));
}

/** The query of a link that fills in a run's settings. */
export function runQuery(run: SharedRun, view: View, edits: readonly Edit[]): string {
  const knobs = KNOBS.flatMap((name): [string, string][] => {
    const value = run.knobs[name];
    return value === undefined || value === "" ? [] : [[name, value]];
  });
  const model: [string, string][] = run.model === null ? [] : [["model", run.model]];
  const chat: [string, string][] = run.chat ? [["chat", "on"]] : [];
  const all = [...chat, ...model, ...knobs, ...viewPairs(view), ...editPairs(edits)];
  return encode([["prompt", run.prompt], ...all]);
}

export function editPairs(edits: readonly Edit[]): [string, string][] {
  return edits.map((edit) => ["edit", editText(edit)]);
}

/** Empty, or begins with `?`; characters that need no escape in a query stay readable. */
function encode(pairs: readonly (readonly [string, string])[]): string {
  const part = (text: string): string =>
    encodeURIComponent(text)
      .replace(/%(2F|2C|3A|7C)/gu, decodeURIComponent)
      .replace(/%20/gu, "+");
  return pairs.length === 0 ? "" : `?${pairs.map(([n, v]) => `${part(n)}=${part(v)}`).join("&")}`;
}
