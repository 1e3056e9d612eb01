/**
 * The address of a view and of a run: what is on show, and the settings that make the same run
 * again, as a query string of short readable names.
 */
import { type KnobName, KNOBS } from "../wire/model";
import { FILTER_KINDS, filterValue, parseFilter } from "./filters";
import type { Edit } from "../wire/types";
import { editText, MOST_EDITS, readEdit } from "./edits";
import type { View } from "./store";

/** A view in an address, which names what is shown: it may be of another model. */
export interface AddressView extends Pick<View, "filters" | "feature" | "links" | "flat"> {
  /** The sources shown; null for all. */
  sources: readonly string[] | null;
  /** The edits of the next run. */
  edits: readonly Edit[];
}

/** All that a generation depends on, as a link names it. */
export interface SharedRun {
  prompt: string;
  /** Null for the server's default. */
  model: string | null;
  /** By their names in requests; as text, since the seed has 64 bits. */
  knobs: Partial<Record<KnobName, string>>;
}

const RUN_NAMES: readonly string[] = ["prompt", "model", ...KNOBS];
const VIEW_NAMES: readonly string[] = [
  ...FILTER_KINDS,
  "sources",
  "feature",
  "links",
  "view",
  "edit",
];

/** How the map is looked at, as an address says it. */
const FLAT: ReadonlyMap<string, boolean> = new Map([["flat", true], ["space", false]]); // prettier-ignore

export const EVERYTHING: AddressView = {
  filters: [],
  sources: null,
  feature: null,
  links: 0,
  flat: null,
  edits: [],
};

/** The view in a query; malformed parts are ignored. */
export function readView(query: URLSearchParams): AddressView {
  const filters = FILTER_KINDS.flatMap((kind) =>
    query.getAll(kind).flatMap((value) => {
      const parsed = parseFilter(`${kind}: ${value}`);
      return parsed && "filter" in parsed ? [parsed.filter] : [];
    }),
  );
  const links = Number(query.get("links") ?? 0);
  return {
    filters,
    sources: query.get("sources")?.split(",").filter(Boolean) ?? null,
    feature: query.get("feature"),
    links: links > 0 && links <= 1 ? links : 0,
    flat: FLAT.get(query.get("view") ?? "") ?? null,
    edits: query
      .getAll("edit")
      .flatMap((text) => readEdit(text) ?? [])
      .slice(0, MOST_EDITS),
  };
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
    model: query.get("model"),
    knobs: Object.fromEntries(knobs),
  };
}

/** The query with its view replaced by this one. */
export function withView(query: URLSearchParams, view: AddressView): string {
  const others = [...query].filter(([name]) => !VIEW_NAMES.includes(name));
  return encode([...others, ...viewPairs(view)]);
}

/** The query without the run that it describes. */
export function withoutRun(query: URLSearchParams): URLSearchParams {
  return readRun(query) === null ? query : without(query, RUN_NAMES);
}

export function without(query: URLSearchParams, names: readonly string[]): URLSearchParams {
  return new URLSearchParams([...query].filter(([name]) => !names.includes(name)));
}

/** The query of a link that fills in a run's settings. */
export function runQuery(run: SharedRun, view: AddressView): string {
  const knobs = KNOBS.flatMap((name): [string, string][] => {
    const value = run.knobs[name];
    return value === undefined || value === "" ? [] : [[name, value]];
  });
  const model: [string, string][] = run.model === null ? [] : [["model", run.model]];
  return encode([["prompt", run.prompt], ...model, ...knobs, ...viewPairs(view)]);
}

function viewPairs(view: AddressView): [string, string][] {
  const pairs = view.filters.map((filter): [string, string] => [filter.kind, filterValue(filter)]);
  if (view.sources !== null) pairs.push(["sources", view.sources.join(",")]);
  if (view.feature !== null) pairs.push(["feature", view.feature]);
  if (view.links > 0) pairs.push(["links", String(Number(view.links.toFixed(3)))]);
  if (view.flat !== null) pairs.push(["view", view.flat ? "flat" : "space"]);
  for (const edit of view.edits) pairs.push(["edit", editText(edit)]);
  return pairs;
}

/** Empty, or begins with `?`; characters that need no escape in a query stay readable. */
function encode(pairs: readonly (readonly [string, string])[]): string {
  const part = (text: string): string =>
    encodeURIComponent(text)
      .replace(/%(2F|2C|3A|7C)/gu, decodeURIComponent)
      .replace(/%20/gu, "+");
  return pairs.length === 0 ? "" : `?${pairs.map(([n, v]) => `${part(n)}=${part(v)}`).join("&")}`;
}
