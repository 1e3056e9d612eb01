/** Where nodes are on the canvas, which one a pointer is over, and taps on them. */
import { type Object3D, Vector3 } from "three";
import type { CameraRig } from "./camera";
import type { Lights } from "./lights";
import type { Placing } from "./map/placing";
import { type Box, coreBox } from "./names/place";
import { coreRadius, LARGEST } from "./nodes";

/** Names avoid hiding nodes at least this bright. */
const BRIGHT = 0.5;

export interface OnScreen {
  index: number;
  x: number;
  y: number;
  /** Radius of the node's core, in pixels. */
  radius: number;
}

export class Projector {
  width = 1;
  height = 1;
  /** Of nodes, see `NodeCloud.setLook`. */
  scale = 1;
  private readonly point = new Vector3();

  constructor(
    private readonly rig: CameraRig,
    private readonly placing: Placing,
    private readonly lights: Lights,
    private readonly world: Object3D,
  ) {}

  /** The canvas, in CSS pixels. */
  resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
  }

  /** Where a node is; null when it is hidden, has no place yet, or is behind the camera. */
  at(index: number): OnScreen | null {
    const spot = { index, x: 0, y: 0, radius: 0 };
    return this.find(index, spot) ? spot : null;
  }

  /** All nodes on show, each in the same object: copy what is to be kept. */
  *all(): Generator<OnScreen> {
    const spot = { index: 0, x: 0, y: 0, radius: 0 };
    for (let index = 0; index < this.lights.size; index += 1) {
      if (this.find(index, spot)) yield spot;
    }
  }

  /** What the cores of the bright nodes cover. */
  bright(): Box[] {
    return this.lights.above(BRIGHT).flatMap((index) => {
      const spot = this.at(index);
      return spot ? [coreBox(spot)] : [];
    });
  }

  /** Where a place of the world is, and pixels per world unit there; null behind the camera. */
  locate(x: number, y: number, z: number): { x: number; y: number; scale: number } | null {
    const point = this.point.set(x, y, z);
    const distance = this.project(point);
    return distance <= 0
      ? null
      : { x: point.x, y: point.y, scale: 1 / (this.rig.pixel * distance) };
  }

  /** Turns a place into one on the canvas, and returns how far before the camera it is. */
  private project(point: Vector3): number {
    const { camera } = this.rig;
    point.y *= this.world.scale.y;
    point.applyMatrix4(camera.matrixWorldInverse);
    const distance = -point.z;
    point.applyMatrix4(camera.projectionMatrix);
    point.set(((point.x + 1) / 2) * this.width, ((1 - point.y) / 2) * this.height, 0);
    return distance;
  }

  private find(index: number, into: OnScreen): boolean {
    const glow = this.lights.glow[index] ?? -1;
    if (glow < 0 || !this.placing.has(index)) return false;
    const { pixel } = this.rig;
    const point = this.point.fromArray(this.placing.places, 3 * index);
    const distance = this.project(point);
    if (distance <= 0) return false;
    into.index = index;
    into.x = point.x;
    into.y = point.y;
    into.radius = Math.min(
      LARGEST,
      Math.max(1, (this.scale * coreRadius(glow)) / (pixel * distance)),
    );
    return true;
  }
}

/** A small node is hit within this many pixels: about a fingertip. */
const REACH = 12;

/** The number of the node nearest to a point, within reach. */
export function nearest(nodes: Iterable<OnScreen>, x: number, y: number): number | null {
  let best: number | null = null;
  let least = 1;
  for (const node of nodes) {
    const share = Math.hypot(node.x - x, node.y - y) / Math.max(REACH, node.radius + 4);
    if (share < least) {
      least = share;
      best = node.index;
    }
  }
  return best;
}

/** A pointer that has moved more pixels than this turns the picture; only a tap chooses. */
const TAP = 5;

export interface PointerEvents {
  press(x: number, y: number): void;
  /** It was released about where it was pressed. */
  tap(): void;
  /** With coordinates on the canvas, or null when the pointer has left it. */
  over(at: { x: number; y: number } | null): void;
}

export function listen(canvas: HTMLCanvasElement, events: PointerEvents): void {
  let down: { x: number; y: number } | null = null;
  canvas.addEventListener("pointerdown", ({ offsetX: x, offsetY: y, button, isPrimary }) => {
    // Neither another button nor the second finger of a pinch taps; nor does the first finger then.
    down = button === 0 && isPrimary ? { x, y } : null;
    if (down) events.press(x, y);
  });
  canvas.addEventListener("pointerup", ({ offsetX: x, offsetY: y, isPrimary }) => {
    if (down && isPrimary && Math.hypot(x - down.x, y - down.y) <= TAP) events.tap();
  });
  canvas.addEventListener("pointermove", ({ offsetX: x, offsetY: y, buttons, pointerType }) => {
    // A finger cannot hover: what it tapped would stay lit.
    if (buttons === 0 && pointerType !== "touch") events.over({ x, y });
  });
  canvas.addEventListener("pointerleave", () => events.over(null));
}
