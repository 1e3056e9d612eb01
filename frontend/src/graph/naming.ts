/** Which nodes are worth a name just now, the most important first. */
import { thoughtOf } from "../session/query";
import type { Feature } from "../session/state";
import type { OnScreen } from "./pick";

/** Only nodes at least this bright are named, but for the strongest of the newest token. */
export const NAMED_FROM = 0.3;
/** A number says less than a name: it comes later. */
const NAMELESS = 0.6;
/** Names of the newest token's strongest features, to be read from the back row. */
const LEADS = 5;
const LABEL_CHARACTERS = 34;

/** A node that may be named. */
export interface Named {
  id: number;
  text: string;
  /** Nameless features show their number, more quietly. */
  named: boolean;
  /** One of the strongest of the token on show: larger than the others. */
  lead: boolean;
  x: number;
  y: number;
  radius: number;
  chosen: boolean;
}

/** What decides about names: light, and who has the attention. */
export interface Attention {
  glow: Float32Array;
  /** 1 for the features of the token on show. */
  fresh: Float32Array;
  chosen: number | null;
  hovered: number | null;
}

/**
 * The names worth showing among `nodes`, the most important first, each once: whoever has the
 * attention, the strongest of the newest token however faint they are, then the bright ones.
 */
export function nameNodes(
  nodes: readonly OnScreen[],
  features: readonly Feature[],
  attention: Attention,
): Named[] {
  const { chosen, hovered } = attention;
  const lightOf = (index: number): number => {
    const light = attention.glow[index] ?? 0;
    return features[index]?.label == null ? NAMELESS * light : light;
  };
  const leads = leadsAmong(nodes, features, attention);
  const rank = (index: number): number => {
    if (index === chosen) return 4;
    if (index === hovered) return 3;
    return leads.has(index) ? 1 + lightOf(index) : lightOf(index);
  };
  const ranked = nodes
    .map((node) => ({ node, rank: rank(node.index) }))
    .filter((entry) => entry.rank >= NAMED_FROM)
    .sort((a, b) => b.rank - a.rank);
  const seen = new Set<string>();
  return ranked.flatMap(({ node }) => {
    const feature = features[node.index];
    if (!feature || seen.has(thoughtOf(feature))) return [];
    seen.add(thoughtOf(feature));
    return [named(node, feature, leads.has(node.index), node.index === chosen)];
  });
}

/** The strongest of the newest token that have a name, each name once. */
function leadsAmong(
  nodes: readonly OnScreen[],
  features: readonly Feature[],
  { glow, fresh }: Attention,
): Set<number> {
  const newest = nodes
    .filter(({ index }) => fresh[index] === 1 && features[index]?.label != null)
    .sort((a, b) => (glow[b.index] ?? 0) - (glow[a.index] ?? 0));
  const byName = new Map<string, number>();
  for (const { index } of newest) {
    const name = features[index]?.label ?? "";
    if (byName.size < LEADS && !byName.has(name)) byName.set(name, index);
  }
  return new Set(byName.values());
}

function named(
  { x, y, radius }: OnScreen,
  feature: Feature,
  lead: boolean,
  chosen: boolean,
): Named {
  const text = shorten(feature.label ?? `#${feature.id}`);
  return { id: feature.index, text, named: feature.label !== null, lead, x, y, radius, chosen };
}

function shorten(text: string): string {
  return text.length <= LABEL_CHARACTERS ? text : `${text.slice(0, LABEL_CHARACTERS - 1)}…`;
}
