/** `window.axon`: the page's state, for tests and the console. */
import type { Graph } from "./graph/graph";
import { nameOf } from "./state/feature";
import { lightsAt } from "./state/light";
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

export type DebugHandle = ReturnType<typeof handle>;

declare global {
  interface Window {
    axon?: DebugHandle;
  }
}

export function exposeDebugHandle(store: Store, graph: Graph | null): void {
  window.axon = Object.freeze(handle(store, graph));
}

function handle(store: Store, graph: Graph | null) {
  return {
    /** The graph itself, for what the page offers no control for. */
    graph,
    nodes: () => reports(store, graph),
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
    /** Features that have a place. */
    get nodeCount() {
      return graph?.statistics.nodes ?? 0;
    },
    get linkCount() {
      return graph?.statistics.links ?? 0;
    },
    get drawCalls() {
      return graph?.statistics.drawCalls ?? 0;
    },
    /** Whether the picture is as it will stay, see `GraphStatistics`; true without a graph. */
    get atRest() {
      return graph?.statistics.atRest ?? true;
    },
    /** What drawing costs; null without a graph. */
    get drawing() {
      return graph?.statistics ?? null;
    },
    get hovered() {
      return store.hovered;
    },
    get chosen() {
      return store.chosen?.key ?? null;
    },
    /** Index of the token looked at. */
    get token() {
      return store.playhead.token?.index ?? null;
    },
  };
}

function reports(store: Store, graph: Graph | null): NodeReport[] {
  const { session, playhead } = store;
  const lights = lightsAt(session, playhead.at);
  return (graph?.onScreen() ?? []).flatMap(({ index, x, y, radius }) => {
    const feature = session.features[index];
    if (!feature) return [];
    const { key, id, source } = feature;
    const place = graph?.placeOf(index) ?? [];
    const glow = lights.at(index);
    return [{ key, id, source, name: nameOf(feature), x, y, radius, glow, place }];
  });
}
