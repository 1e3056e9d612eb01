/** Shows on the page what drawing costs, with `?debug` in the address. */
import { h } from "../ui/dom";

export interface GraphStatistics {
  nodes: number;
  links: number;
  /** Of the last frame, as the renderer counts them. */
  drawCalls: number;
  /** Whether each feature has a place, and nothing moves or is due but the slow drift. */
  atRest: boolean;
  /** Frames drawn since the start, and in the last second. */
  frames: number;
  framesPerSecond: number;
  /** Script time per frame in milliseconds: median of the last 240, and what 5% exceeded. */
  frameMs: number;
  frameMsP95: number;
}

const EVERY_MS = 500;

/** Shows the figures until the page closes. `read` also returns the number of tokens. */
export function showOverlay(read: () => GraphStatistics & { tokens: number }): void {
  const element = h("pre", { id: "overlay", "aria-hidden": "true" });
  document.body.append(element);
  setInterval(() => {
    const s = read();
    element.textContent = [
      `${s.framesPerSecond} fps (0 at rest)`,
      `${s.frameMs.toFixed(1)} ms a frame, p95 ${s.frameMsP95.toFixed(1)}`,
      `${s.drawCalls} draw calls`,
      `${s.nodes} nodes, ${s.links} links`,
      `${s.tokens} tokens`,
    ].join("\n");
  }, EVERY_MS);
}
