/** Which nodes get a name, the most important first. */
import { type Feature, thoughtOf } from "../state/feature";
import type { OnScreen } from "./pick";

/** Other nodes than the chosen, the hovered and the strongest are named from this light on. */
export const NAMED_FROM = 0.3;
/** Factor of a feature without a label: its number says less than a name. */
const NAMELESS = 0.6;
const LABEL_CHARACTERS = 34;

/** A node that may be named. */
export interface Named {
  id: number;
  text: string;
  /** False for a feature without a label: its number is shown, in a quieter style. */
  named: boolean;
  /** One of the strongest of the token on show: larger than the others. */
  lead: boolean;
  x: number;
  y: number;
  radius: number;
  chosen: boolean;
}

/** What decides about names: the light, and what the user looks at. */
export interface Attention {
  glow: Float32Array;
  /** The strongest of the token on show, by feature number, the strongest first. */
  leads: readonly number[];
  chosen: number | null;
  hovered: number | null;
}

/**
 * The names to show for `nodes`, the most important first, each once: the chosen and the hovered
 * feature, the strongest of the token on show however faint they are, then the bright ones.
 */
export function nameNodes(
  nodes: readonly OnScreen[],
  features: readonly Feature[],
  { glow, leads, chosen, hovered }: Attention,
): Named[] {
  const rank = (index: number): number => {
    if (index === chosen) return 4;
    if (index === hovered) return 3;
    const place = leads.indexOf(index);
    if (place >= 0) return 2 - place / leads.length;
    const light = glow[index] ?? 0;
    return features[index]?.label == null ? NAMELESS * light : light;
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
    return [named(node, feature, leads.includes(node.index), node.index === chosen)];
  });
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
