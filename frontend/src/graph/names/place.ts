/** Which labels fit where: the strongest first, none over another, all inside the stage. */

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A label that needs a place beside its node. */
export interface Candidate {
  id: number;
  /** The node's centre and the radius to keep clear of, in pixels. */
  x: number;
  y: number;
  radius: number;
  width: number;
  height: number;
}

export interface Placed<Label extends Candidate = Candidate> {
  label: Label;
  box: Box;
  /** Where the label is from its node. */
  side: Side;
}

/** Where a label is from its node: -1, 0 or 1 across and down. */
const DIRECTIONS = {
  right: [1, 0],
  left: [-1, 0],
  above: [0, -1],
  below: [0, 1],
  "right above": [1, -1],
  "right below": [1, 1],
  "left above": [-1, -1],
  "left below": [-1, 1],
} as const;
export type Side = keyof typeof DIRECTIONS;
const SIDES = Object.keys(DIRECTIONS) as readonly Side[];
const GAP = 5;
/** A corner is farther from the node than a side, so the gap there is scaled by this. */
const DIAGONAL = 0.7;

/**
 * Places candidates in their order until `limit` are placed: never over what is `occupied`, and
 * where they hide the fewest of the bright `lights`. A label keeps its side in `before` if that is
 * as good, so that labels do not jump about while the camera drifts.
 */
export function placeLabels<Label extends Candidate>(
  candidates: Iterable<Label>,
  stage: Box,
  limit: number,
  before: ReadonlyMap<number, Side>,
  lights: readonly Box[] = [],
  occupied: readonly Box[] = [],
): Placed<Label>[] {
  const placed: Placed<Label>[] = [];
  const taken: Box[] = [...occupied];
  for (const label of candidates) {
    const last = before.get(label.id);
    const sides = last ? [last, ...SIDES.filter((side) => side !== last)] : SIDES;
    let best: { box: Box; side: Side } | null = null;
    let least = Infinity;
    for (const side of sides) {
      const box = boxAt(label, side);
      if (!inside(box, stage) || taken.some((other) => overlap(box, other, AIR))) continue;
      let hidden = 0;
      for (const light of lights) if (overlap(box, light, 0)) hidden += 1;
      if (hidden >= least) continue;
      least = hidden;
      best = { box, side };
      if (least === 0) break;
    }
    if (!best) continue;
    taken.push(best.box);
    placed.push({ label, ...best });
    if (placed.length >= limit) break;
  }
  return placed;
}

/** The square that a node's core covers. */
export function coreBox({ x, y, radius }: Pick<Candidate, "x" | "y" | "radius">): Box {
  return { left: x - radius, top: y - radius, width: 2 * radius, height: 2 * radius };
}

/** The label's box on one side of its node. */
export function boxAt({ x, y, radius, width, height }: Omit<Candidate, "id">, side: Side): Box {
  const [across, down] = DIRECTIONS[side];
  const reach = (radius + GAP) * (across !== 0 && down !== 0 ? DIAGONAL : 1);
  return {
    left: x + across * reach + ((across - 1) / 2) * width,
    top: y + down * reach + ((down - 1) / 2) * height,
    width,
    height,
  };
}

/** Pixels that stay free between labels when they are placed. */
const AIR = 5;

export function overlap(a: Box, b: Box, air: number): boolean {
  return (
    a.left < b.left + b.width + air &&
    b.left < a.left + a.width + air &&
    a.top < b.top + b.height + air &&
    b.top < a.top + a.height + air
  );
}

export function contains({ left, top, width, height }: Box, x: number, y: number): boolean {
  return x >= left && x < left + width && y >= top && y < top + height;
}

function inside(box: Box, stage: Box): boolean {
  return (
    box.left >= stage.left &&
    box.top >= stage.top &&
    box.left + box.width <= stage.left + stage.width &&
    box.top + box.height <= stage.top + stage.height
  );
}

/** An element's box on the canvas, at least a pixel each way. */
export function within(element: Element, canvas: HTMLElement): Box {
  const outer = canvas.getBoundingClientRect();
  const { left, top, width, height } = element.getBoundingClientRect();
  return {
    left: left - outer.left,
    top: top - outer.top,
    width: Math.max(1, width),
    height: Math.max(1, height),
  };
}

/** Share of a stage that may be given up to what covers its top. */
const MOST_COVERED = 0.25;

/** What is left of a stage below something that covers its top. */
export function below(stage: Box, cover: Box): Box {
  const hidden = cover.top + cover.height - stage.top;
  const lost = Math.max(0, Math.min(hidden, MOST_COVERED * stage.height));
  return { ...stage, top: stage.top + lost, height: stage.height - lost };
}
