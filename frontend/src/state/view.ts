/**
 * What is looked at, whatever run it is: one value that the address, a link and those who follow
 * share. A new part of it is added here, and in the control that changes it.
 */
import type { ViewFrame, ViewRequest } from "../wire/types";
import type { FeatureKey } from "./feature";
import { type Filter, FILTER_KINDS, filterText, filterValue, parseFilter } from "./filters";

/** Where the camera stands and what it looks at, in world units. */
export interface Pose {
  position: [number, number, number];
  target: [number, number, number];
}

/** In which order the matrix has its rows: by first firing, by strength, by layer. */
export const ORDERS = ["first", "strength", "layer"] as const;
export type Order = (typeof ORDERS)[number];

/** The matrix of tokens and features: the order of its rows, and their source; null for all on show. */
export interface MatrixView {
  order: Order;
  source: string | null;
}

/** A text of a recording: the number of its run and of the branch in it, from 0. */
export interface TextName {
  run: number;
  branch: number;
}

export interface View {
  /** The chosen feature, even if it has not fired here. */
  feature: FeatureKey | null;
  /** Index of the token looked at; null follows the newest. */
  token: number | null;
  /**
   * As seen from the chosen feature, whose place differs from browser to browser; null until
   * somebody has moved the camera.
   */
  pose: Pose | null;
  /** Which features are on show; see `filters.ts`. */
  filters: readonly Filter[];
  /** The sources shown and asked for; null for all. */
  sources: readonly string[] | null;
  /** Links with less evidence are not drawn, 0 to 1. */
  links: number;
  /** The map is seen from above, with all storeys in one plane; null where nobody has chosen. */
  flat: boolean | null;
  /** The matrix is shown in place of the graph; null where it is closed. */
  matrix: MatrixView | null;
  /** The two texts of a recording that are compared; null for none. */
  compare: readonly [TextName, TextName] | null;
}

export const WHOLE: View = {
  feature: null,
  token: null,
  pose: null,
  filters: [],
  sources: null,
  links: 0,
  flat: null,
  matrix: null,
  compare: null,
};

/** Names in an address. */
export const VIEW_NAMES: readonly string[] = [
  ...FILTER_KINDS,
  "sources",
  "feature",
  "links",
  "view",
  "matrix",
  "compare",
];

/** Filters that a message may have. */
const MOST_FILTERS = 16;

/** How the map is looked at, as an address says it. */
const FLAT: ReadonlyMap<string, boolean> = new Map([["flat", true], ["space", false]]); // prettier-ignore

/** The view in a query; malformed parts are ignored. */
export function readView(query: URLSearchParams): View {
  const filters = FILTER_KINDS.flatMap((kind) =>
    readFilters(query.getAll(kind).map((value) => `${kind}: ${value}`)),
  );
  const links = Number(query.get("links") ?? 0);
  return {
    ...WHOLE,
    filters,
    sources: query.get("sources")?.split(",").filter(Boolean) ?? null,
    feature: query.get("feature"),
    links: links > 0 && links <= 1 ? links : 0,
    flat: FLAT.get(query.get("view") ?? "") ?? null,
    matrix: readMatrix(query.get("matrix")),
    compare: readCompare(query.get("compare")),
  };
}

/** `1.1,2.1`: the first text of the first run, and that of the second. */
function readCompare(text: string | null): View["compare"] {
  const numbers = /^(\d{1,4})\.(\d),(\d{1,4})\.(\d)$/u.exec(text ?? "")?.slice(1);
  const [run = 0, branch = 0, otherRun = 0, other = 0] =
    numbers?.map((one) => Number(one) - 1) ?? [];
  if (!numbers || Math.min(run, branch, otherRun, other) < 0) return null;
  return [
    { run, branch },
    { run: otherRun, branch: other },
  ];
}

/** `strength`, or with a source `strength,gpt2-small/8-res-jb`. */
function readMatrix(text: string | null): MatrixView | null {
  const [name, source = ""] = text?.split(",") ?? [];
  const order = ORDERS.find((one) => one === name);
  return order === undefined ? null : { order, source: source || null };
}

/** What a query says of a view: all that a later visit can show as well. */
export function viewPairs(view: View): [string, string][] {
  const { filters, sources, feature, links, flat, matrix, compare } = view;
  const pairs = filters.map((filter): [string, string] => [filter.kind, filterValue(filter)]);
  if (sources !== null) pairs.push(["sources", sources.join(",")]);
  if (feature !== null) pairs.push(["feature", feature]);
  if (links > 0) pairs.push(["links", String(Number(links.toFixed(3)))]);
  if (flat !== null) pairs.push(["view", flat ? "flat" : "space"]);
  if (matrix) pairs.push(["matrix", [matrix.order, matrix.source ?? []].flat().join(",")]);
  if (compare) {
    const names = compare.map(({ run, branch }) => `${run + 1}.${branch + 1}`);
    pairs.push(["compare", names.join(",")]);
  }
  return pairs;
}

/** What those who watch are told. A tenth of a unit of the pose is less than a pixel. */
export function viewRequest({ pose, feature, token, filters, sources }: View): ViewRequest {
  const numbers = pose === null ? [] : [...pose.position, ...pose.target];
  return {
    type: "view",
    pose: numbers.map((one) => Math.round(10 * one) / 10),
    feature,
    token,
    filters: filters.slice(0, MOST_FILTERS).map(filterText),
    sources: sources === null ? null : [...sources],
  };
}

/** The filters that these texts say; those that are none are left out. */
export function readFilters(texts: readonly string[]): Filter[] {
  return texts.flatMap((text) => {
    const parsed = parseFilter(text);
    return parsed && "filter" in parsed ? [parsed.filter] : [];
  });
}

export type Followed = Pick<View, "pose" | "feature" | "token"> &
  Partial<Pick<View, "filters" | "sources">>;

export function readViewFrame(frame: ViewFrame): Followed {
  const [px, py, pz, tx, ty, tz] = frame.pose;
  const whole = px !== undefined && py !== undefined && pz !== undefined;
  const { feature, token, filters, sources } = frame;
  const pose: Pose | null =
    whole && tx !== undefined && ty !== undefined && tz !== undefined
      ? { position: [px, py, pz], target: [tx, ty, tz] }
      : null;
  const shown = filters === undefined ? {} : { filters: readFilters(filters), sources };
  return { feature, token, pose, ...shown };
}
