/** Where nodes are on the canvas, and which one is at a point of it. */
import { Vector3 } from "three";
import type { CameraRig } from "./camera";
import type { Lights } from "./lights";
import { coreRadius, LARGEST } from "./nodes";
import type { Placing } from "./placing";

export interface OnScreen {
  index: number;
  x: number;
  y: number;
  /** Radius of the node's core, in pixels. */
  radius: number;
}

export class Projector {
  private width = 1;
  private height = 1;
  private readonly point = new Vector3();

  constructor(
    private readonly rig: CameraRig,
    private readonly placing: Placing,
    private readonly lights: Lights,
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

  private find(index: number, into: OnScreen): boolean {
    const glow = this.lights.glow[index] ?? -1;
    if (glow < 0 || !this.placing.has(index)) return false;
    const { camera, pixel } = this.rig;
    const point = this.point.fromArray(this.placing.places, 3 * index);
    point.applyMatrix4(camera.matrixWorldInverse);
    const distance = -point.z;
    if (distance <= 0) return false;
    point.applyMatrix4(camera.projectionMatrix);
    into.index = index;
    into.x = ((point.x + 1) / 2) * this.width;
    into.y = ((1 - point.y) / 2) * this.height;
    into.radius = Math.min(LARGEST, Math.max(1, coreRadius(glow) / (pixel * distance)));
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
