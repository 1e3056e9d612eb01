/** Draws frames while something changes, and none otherwise: a picture at rest costs nothing. */

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
  private frame = 0;
  private timer = 0;

  /** `draw` returns the milliseconds to its next call: 0 for the next frame, Infinity for none. */
  constructor(private readonly draw: (now: number) => number) {}

  /** Something changed: draws one more frame. */
  wake = (): void => {
    if (this.frame !== 0) return;
    if (this.timer !== 0) clearTimeout(this.timer);
    this.timer = 0;
    this.frame = requestAnimationFrame(this.run);
  };

  private run = (now: number): void => {
    this.frame = 0;
    const start = performance.now();
    const wait = this.draw(now);
    this.statistics.record(now, performance.now() - start);
    if (wait === 0) this.wake();
    // If something woke the loop during `draw`, a frame has been asked for already.
    else if (wait < Infinity && this.frame === 0) this.timer = window.setTimeout(this.wake, wait);
  };
}
