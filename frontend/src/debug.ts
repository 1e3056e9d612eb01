/** `window.axon`: the page's state, for tests and the console. */
import type { Graph } from "./graph/graph";
import type { GraphStatistics } from "./graph/loop";
import { nameOf } from "./state/feature";
import { FLOOR, lightsAt } from "./state/light";
import type { Phase } from "./state/log";
import type { Store } from "./state/store";

interface NodeReport {
  key: string;
  id: number;
  source: string;
  name: string;
  /** On the page, in CSS pixels. */
  x: number;
  y: number;
  radius: number;
  glow: number;
  /** World coordinates: x, height, z. */
  place: number[];
}

export interface DebugHandle {
  readonly phase: Phase;
  readonly origin: string;
  readonly connection: string;
  readonly lastSeq: number;
  readonly tokenCount: number;
  readonly featureCount: number;
  /** Features that have a place. */
  readonly nodeCount: number;
  readonly linkCount: number;
  readonly drawCalls: number;
  /** Whether the picture is as it will stay, see `GraphStatistics`; true without a graph. */
  readonly atRest: boolean;
  /** What drawing costs; null without a graph. */
  readonly drawing: GraphStatistics | null;
  readonly chosen: string | null;
  /** Index of the token looked at. */
  readonly token: number | null;
  readonly hovered: string | null;
  /** The graph itself, for what the page offers no control for. */
  readonly graph: Graph | null;
  nodes(): NodeReport[];
}

declare global {
  interface Window {
    axon?: DebugHandle;
  }
}

export function exposeDebugHandle(store: Store, graph: Graph | null): void {
  const statistics = () => graph?.statistics ?? { nodes: 0, links: 0, drawCalls: 0 };
  window.axon = Object.freeze({
    get phase() {
      return store.session.phase;
    },
    get origin() {
      return store.origin;
    },
    get connection() {
      return store.connection.state;
    },
    get lastSeq() {
      return store.session.stream.lastSeq;
    },
    get tokenCount() {
      return store.session.tokens.length;
    },
    get featureCount() {
      return store.session.features.length;
    },
    get nodeCount() {
      return statistics().nodes;
    },
    get linkCount() {
      return statistics().links;
    },
    get drawCalls() {
      return statistics().drawCalls;
    },
    get atRest() {
      return graph?.statistics.atRest ?? true;
    },
    get drawing() {
      return graph?.statistics ?? null;
    },
    get hovered() {
      return store.hovered;
    },
    get chosen() {
      return store.chosen?.key ?? null;
    },
    get token() {
      return store.playhead.token?.index ?? null;
    },
    graph,
    nodes: () => reports(store, graph),
  });
}

function reports(store: Store, graph: Graph | null): NodeReport[] {
  const { session, playhead } = store;
  const lights = lightsAt(session, playhead.at);
  return (graph?.onScreen() ?? []).flatMap(({ index, x, y, radius }) => {
    const feature = session.features[index];
    if (!feature) return [];
    const { key, id, source } = feature;
    const place = graph?.placeOf(index) ?? [];
    const glow = lights.get(feature) ?? FLOOR;
    return [{ key, id, source, name: nameOf(feature), x, y, radius, glow, place }];
  });
}
