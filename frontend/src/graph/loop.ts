/** Draws frames while something changes, and none otherwise: a picture at rest costs nothing. */
import { paint } from "../state/signals";
import { h } from "../ui/dom";

/** Frames whose cost is remembered. */
const REMEMBERED = 240;

/** A frame's cost in script, and how many are drawn. */
export class FrameStatistics {
  /** Frames drawn since the start. */
  frames = 0;
  private readonly costs = new Float32Array(REMEMBERED);
  private readonly times = new Float64Array(REMEMBERED);

  record(now: number, cost: number): void {
    this.costs[this.frames % REMEMBERED] = cost;
    this.times[this.frames % REMEMBERED] = now;
    this.frames += 1;
  }

  /** Milliseconds that this share of the remembered frames did not exceed; 0 before the first. */
  quantile(share: number): number {
    const costs = this.costs.slice(0, Math.min(this.frames, REMEMBERED)).sort();
    return costs[Math.floor(share * (costs.length - 1))] ?? 0;
  }

  /** Frames drawn in the second before `now`. */
  perSecond(now: number): number {
    const known = this.times.subarray(0, Math.min(this.frames, REMEMBERED));
    return known.reduce((count, time) => count + (now - time < 1000 ? 1 : 0), 0);
  }
}

export class FrameLoop {
  readonly statistics = new FrameStatistics();
  private wakes = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `draw` returns the milliseconds to its next call: 0 for the next frame, Infinity for none. */
  constructor(private readonly draw: (now: number) => number) {}

  /** Something changed: draws one more frame. */
  wake = (): void => {
    clearTimeout(this.timer);
    this.wakes += 1;
    paint(this.run);
  };

  private run = (now: number): void => {
    const { wakes } = this;
    const start = performance.now();
    const wait = this.draw(now);
    this.statistics.record(now, performance.now() - start);
    if (wait === 0) this.wake();
    // If something woke the loop during `draw`, a frame has been asked for already.
    else if (wait < Infinity && this.wakes === wakes) this.timer = setTimeout(this.wake, wait);
  };
}

export interface GraphStatistics {
  nodes: number;
  links: number;
  /** Of the last frame, as the renderer counts them. */
  drawCalls: number;
  /** Features of the map, all of them in one of these calls; 0 without a map. */
  points: number;
  /** Bytes passed on to the graphics card since the start for what has changed. */
  sent: number;
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
    // Figures for developers, in no other language.
    /* eslint-disable no-restricted-syntax */
    element.textContent = [
      `${s.framesPerSecond} fps (0 at rest)`,
      `${s.frameMs.toFixed(1)} ms a frame, p95 ${s.frameMsP95.toFixed(1)}`,
      `${s.drawCalls} draw calls`,
      `${s.nodes} nodes, ${s.links} links`,
      `${s.tokens} tokens`,
    ].join("\n");
    /* eslint-enable no-restricted-syntax */
  }, EVERY_MS);
}
