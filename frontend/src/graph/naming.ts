/** Which nodes are worth a name just now, the most important first. */
import { thoughtOf } from "../session/query";
import type { Feature } from "../session/state";
import type { Named } from "./labels";
import type { OnScreen } from "./pick";

/** Only nodes at least this bright are named. */
export const NAMED_FROM = 0.3;
/** A number says less than a name: it comes later. */
const NAMELESS = 0.6;
const LABEL_CHARACTERS = 34;

/** What decides about names besides the light. */
export interface Attention {
  chosen: number | null;
  hovered: number | null;
}

/** The bright ones among `nodes`, the most important first; each label once. */
export function nameNodes(
  nodes: readonly OnScreen[],
  features: readonly Feature[],
  glow: Float32Array,
  { chosen, hovered }: Attention,
): Named[] {
  const rank = (index: number): number => {
    if (index === chosen) return 3;
    if (index === hovered) return 2;
    const light = glow[index] ?? 0;
    return features[index]?.label == null ? NAMELESS * light : light;
  };
  const bright = nodes.filter(({ index }) => rank(index) >= NAMED_FROM);
  bright.sort((a, b) => rank(b.index) - rank(a.index));
  const seen = new Set<string>();
  return bright.flatMap((node) => {
    const feature = features[node.index];
    if (!feature || seen.has(thoughtOf(feature))) return [];
    seen.add(thoughtOf(feature));
    const text = shorten(feature.label ?? `#${feature.id}`);
    return [
      {
        ...node,
        id: node.index,
        text,
        named: feature.label !== null,
        chosen: node.index === chosen,
      },
    ];
  });
}

function shorten(text: string): string {
  return text.length <= LABEL_CHARACTERS ? text : `${text.slice(0, LABEL_CHARACTERS - 1)}…`;
}
