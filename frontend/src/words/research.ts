/** What the views for a closer look say: the matrix, two runs compared, labels of one's own. */
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
