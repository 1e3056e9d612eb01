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

/** What is looked for, and the nearest so far. */
interface Search {
  readonly at: { x: number; y: number };
  readonly project: Project;
  readonly passes: (number: number) => boolean;
  number: number | null;
  far: number;
}

/** `side` by `side` cells of a storey; they begin at number `from` of the order. */
interface Square {
  storey: number;
  column: number;
  row: number;
  side: number;
  from: number;
}

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
    const search: Search = { at, project, passes, number: null, far: reach };
    for (let storey = 0; storey < this.map.storeys; storey += 1) {
      this.look({ storey, column: 0, row: 0, side: SIDE, from: 0 }, search);
    }
    return search.number;
  }

  private look(square: Square, search: Search): void {
    const { storey, column, row, side, from } = square;
    const cell = storey * CELLS + from;
    const [start = 0, end = 0] = [this.starts[cell], this.starts[cell + side * side]];
    if (start === end || !this.mayHold(square, search)) return;
    if (side === 1) {
      this.compare(start, end, storey, search);
      return;
    }
    const half = side / 2;
    for (let quarter = 0; quarter < 4; quarter += 1) {
      this.look(
        {
          storey,
          column: column + (quarter & 1) * half,
          row: row + (quarter >> 1) * half,
          side: half,
          from: from + quarter * half * half,
        },
        search,
      );
    }
  }

  /** Whether a square's picture may hold a nearer one; one partly behind the camera may. */
  private mayHold({ storey, column, row, side }: Square, { at, far, project }: Search): boolean {
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
    return at.x > left - far && at.x < right + far && at.y > top - far && at.y < bottom + far;
  }

  private compare(start: number, end: number, storey: number, search: Search): void {
    const { x, y } = this.map.file;
    for (let k = start; k < end; k += 1) {
      const i = this.order[k] ?? 0;
      if (!search.project(x[i] ?? 0, y[i] ?? 0, storey, this.spot) || !search.passes(i)) continue;
      const far = Math.hypot(this.spot[0] - search.at.x, this.spot[1] - search.at.y);
      if (far >= search.far) continue;
      search.far = far;
      search.number = i;
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
