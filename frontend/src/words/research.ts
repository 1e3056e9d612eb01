/** What the views for a closer look say: the matrix, two runs compared, labels of one's own. */
import type { Account } from "../state/comparing";
import type { Order } from "../state/view";

const ORDER_NAMES: Readonly<Record<Order, string>> = {
  first: "first firing",
  strength: "strength",
  layer: "layer",
};

export const MATRIX = {
  open: "Matrix",
  help: "All tokens by all features, in place of the graph: which feature fires where",
  title: "Tokens × features",
  order: "Order",
  orders: ORDER_NAMES,
  source: "Source",
  allSources: "all on show",
  close: "Back to the graph",
  empty: "No feature that passes the filters has fired yet.",
  counts: (features: number, tokens: number): string =>
    `${features === 1 ? "1 feature" : `${features} features`}, ${tokens === 1 ? "1 token" : `${tokens} tokens`}`,
  token: (token: string): string => `“${token}”`,
  row: (name: string, times: number, most: string): string =>
    `${name}: fires at ${times} tokens, at most ${most}`,
  silent: (name: string, token: string): string => `${name} at ${token}: silent`,
  cell: (name: string, token: string, activation: string, share: string): string =>
    `${name} at ${token}: activation ${activation}, ${share} of its full strength`,
} as const;

/** Labels of one's own. */
export const LABELS = {
  /** One's own name wherever a label is shown. */
  yours: (label: string): string => `${label} (yours)`,
  name: "Name it",
  rename: "Rename",
  nameHelp: "Give this feature a name of your own. It is kept in this browser; Export saves it.",
  yourName: "Your name for this feature",
  save: "Save",
  itsLabel: (label: string | null): string =>
    label === null ? "It has no other label." : `Its label: ${label}`,
  export: "Save my labels (JSON)",
  exportHelp: "Your names for features, as AXON_LABEL_OVERRIDES of a gateway reads them",
  load: "Load labels …",
  loadHelp: "Takes in such a file, over your own names in this browser",
  loaded: (labels: number): string =>
    labels === 1 ? "1 label was taken in as yours." : `${labels} labels were taken in as yours.`,
  notLoaded: (file: string, why: string): string => `${file} was not taken in: ${why}.`,
  file: "the file",
  form: (key: string): string => `${key} must have the form "model/source/index": "label"`,
  length: (key: string): string => `${key}: a label must have 1 to 500 characters`,
} as const;

/** How often a feature fires how strongly. */
export const HISTOGRAM = {
  title: "Activations in this text",
  bar: (from: string, to: string, tokens: number): string =>
    `${from} to ${to}: ${tokens === 1 ? "1 token" : `${tokens} tokens`}`,
  said: (fires: number, told: number, share: string, density: string | null): string =>
    `Fires at ${fires} of ${told} tokens, ${share}` +
    (density === null ? "." : `; at ${density} of all tokens of a large text.`),
} as const;

/** A link that brings a prompt and settings. */
export const RUN_LINK = {
  offer: "A link has filled in the prompt and the settings. Nothing has run yet.",
  run: "Run this",
} as const;

/** What a picture was made from. */
export const ORIGIN = {
  unknown: "Axon. The beginning of this run is not known.",
  model: (model: string): string => `Axon, model ${model}.`,
  sources: (sources: readonly string[]): string =>
    `${sources.length === 1 ? "Source" : "Sources"}: ${sources.join(", ") || "none"}.`,
  seed: (seed: string | null): string => (seed === null ? "Seed not known." : `Seed ${seed}.`),
  edits: (edits: readonly string[]): string =>
    edits.length === 0 ? "No edits." : `Edits: ${edits.join("; ")}.`,
  token: (place: number, all: number): string => `Token ${place} of ${all} on show.`,
} as const;

/** Two runs compared. */
export const COMPARE = {
  open: "Compare …",
  title: "Two texts compared",
  other: "The text on show, compared with",
  file: "From a recording …",
  close: "Close",
  nothing:
    "There is no other text yet. Texts that this page has shown to their end are offered here, the branches of this run, and the runs of a recording.",
  noRun: "it has no text",
  notRead: (file: string, why: string): string => `${file} cannot be compared: ${why}.`,
  here: "On show",
  name: ({ settings, branch, tokens }: Account): string =>
    [
      settings === null
        ? "A run without its beginning"
        : `${settings.model}: “${firstWords(settings.prompt)}”`,
      branch,
      typeof settings?.params.seed === "string" ? `seed ${settings.params.seed}` : null,
      tokens.length === 1 ? "1 token" : `${tokens.length} tokens`,
    ]
      .filter((part) => part !== null)
      .join(", "),
  parting: (index: number, here: string | null, there: string | null): string => {
    if (index < 0) return "Both texts are the same.";
    const [one, other] = [here, there].map((word) => (word === null ? "the end" : `“${word}”`));
    return `The texts part at token ${index + 1}: ${one} here, ${other} there.`;
  },
  rose: "Fired more here",
  fell: "Fired less here",
  none: "None.",
  change: (before: string, after: string): string => `${before} → ${after}`,
  method:
    "A figure is a feature's mean activation at a token, as a share of its highest known activation: of the other text, then of the one on show. Where a feature was not among those that the server sent, it counts as 0.",
  incomparable: "The two texts have no source in common, so their features cannot be compared.",
} as const;

function firstWords(text: string): string {
  const line = text.replace(/\s+/gu, " ").trim();
  return line.length <= 60 ? line : `${line.slice(0, 59)}…`;
}
