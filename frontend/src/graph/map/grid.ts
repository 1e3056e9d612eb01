/**
 * Finds the feature under the pointer among all of the map. The features of each storey are sorted
 * into squares of squares, and only those squares are looked into that the pointer may be over: the
 * cost does not grow with the map, and nothing is done for a frame.
 */
import type { FeatureMap } from "../../state/map";
import { SPAN } from "../../wire/map";

/** Squares along a storey's side: a power of two. */
const SIDE = 64;
const CELLS = SIDE * SIDE;

/** Where a place of the map is on the canvas; false behind the camera. x and y are from 0 to `SPAN`. */
export type Project = (x: number, y: number, storey: number, into: [number, number]) => boolean;

export class Grid {
  /** Features in the order of their squares, and where each square begins in it. */
  private readonly order: Uint32Array;
  private readonly starts: Uint32Array;
  private readonly spot: [number, number] = [0, 0];

  constructor(private readonly map: FeatureMap) {
    const cells = new Uint32Array(map.size);
    const { x, y, sources } = map.file;
    for (const { first, width, storey } of sources) {
      for (let i = first; i < first + width; i += 1) {
        cells[i] = storey * CELLS + cellOf(x[i] ?? 0, y[i] ?? 0);
      }
    }
    this.starts = new Uint32Array(map.storeys * CELLS + 1);
    for (const cell of cells) this.starts[cell + 1] = (this.starts[cell + 1] ?? 0) + 1;
    for (let cell = 1; cell < this.starts.length; cell += 1) {
      this.starts[cell] = (this.starts[cell] ?? 0) + (this.starts[cell - 1] ?? 0);
    }
    const next = this.starts.slice();
    this.order = new Uint32Array(map.size);
    cells.forEach((cell, i) => {
      const place = next[cell] ?? 0;
      this.order[place] = i;
      next[cell] = place + 1;
    });
  }

  /** The number of the feature nearest to a point of the canvas, within `reach` pixels; else null. */
  nearest(
    at: { x: number; y: number },
    reach: number,
    project: Project,
    passes: (number: number) => boolean = () => true,
  ): number | null {
    const best = { number: -1, far: reach };
    for (let storey = 0; storey < this.map.storeys; storey += 1) {
      this.look(storey, 0, 0, SIDE, 0, at, best, project, passes);
    }
    return best.number < 0 ? null : best.number;
  }

  /** Looks into a square of `side` by `side` cells that begin at number `from` of the order. */
  private look(
    storey: number,
    column: number,
    row: number,
    side: number,
    from: number,
    at: { x: number; y: number },
    best: { number: number; far: number },
    project: Project,
    passes: (number: number) => boolean,
  ): void {
    const cell = storey * CELLS + from;
    const [start = 0, end = 0] = [this.starts[cell], this.starts[cell + side * side]];
    if (start === end || !this.mayHold(storey, column, row, side, at, best.far, project)) return;
    if (side === 1) {
      this.compare(start, end, storey, at, best, project, passes);
      return;
    }
    const half = side / 2;
    for (let quarter = 0; quarter < 4; quarter += 1) {
      const [right, down] = [quarter & 1, quarter >> 1];
      this.look(storey, column + right * half, row + down * half, half, from + quarter * half * half, at, best, project, passes); // prettier-ignore
    }
  }

  /** Whether a square's picture comes within `reach` of a point; one partly behind the camera may. */
  private mayHold(
    storey: number,
    column: number,
    row: number,
    side: number,
    { x, y }: { x: number; y: number },
    reach: number,
    project: Project,
  ): boolean {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let corner = 0; corner < 4; corner += 1) {
      const cx = ((column + (corner & 1) * side) / SIDE) * SPAN;
      const cy = ((row + (corner >> 1) * side) / SIDE) * SPAN;
      if (!project(cx, cy, storey, this.spot)) return true;
      left = Math.min(left, this.spot[0]);
      right = Math.max(right, this.spot[0]);
      top = Math.min(top, this.spot[1]);
      bottom = Math.max(bottom, this.spot[1]);
    }
    return x > left - reach && x < right + reach && y > top - reach && y < bottom + reach;
  }

  private compare(
    start: number,
    end: number,
    storey: number,
    at: { x: number; y: number },
    best: { number: number; far: number },
    project: Project,
    passes: (number: number) => boolean,
  ): void {
    const { x, y } = this.map.file;
    for (let k = start; k < end; k += 1) {
      const i = this.order[k] ?? 0;
      if (!project(x[i] ?? 0, y[i] ?? 0, storey, this.spot) || !passes(i)) continue;
      const far = Math.hypot(this.spot[0] - at.x, this.spot[1] - at.y);
      if (far >= best.far) continue;
      best.far = far;
      best.number = i;
    }
  }
}

/** The number of a place's square: those of a larger square follow one another (Morton's order). */
function cellOf(x: number, y: number): number {
  const column = Math.min(SIDE - 1, Math.floor((x / SPAN) * SIDE));
  const row = Math.min(SIDE - 1, Math.floor((y / SPAN) * SIDE));
  let cell = 0;
  for (let bit = 0; 1 << bit < SIDE; bit += 1) {
    cell |= ((column >> bit) & 1) << (2 * bit);
    cell |= ((row >> bit) & 1) << (2 * bit + 1);
  }
  return cell;
}
