/** From world to window and back: where nodes are on the canvas, and which one is under the finger. */
import { type PerspectiveCamera, Vector3 } from "three";
import { coreRadius, LARGEST } from "./nodes";

export interface OnScreen {
  index: number;
  x: number;
  y: number;
  /** Radius of the node's core, in pixels. */
  radius: number;
}

const point = new Vector3();

/** Projects a node; null when it is behind the camera. */
export function project(
  index: number,
  places: Float32Array,
  glow: number,
  camera: PerspectiveCamera,
  width: number,
  height: number,
  pixel: number,
): OnScreen | null {
  point.fromArray(places, 3 * index).applyMatrix4(camera.matrixWorldInverse);
  const distance = -point.z;
  if (distance <= 0) return null;
  point.applyMatrix4(camera.projectionMatrix);
  return {
    index,
    x: ((point.x + 1) / 2) * width,
    y: ((1 - point.y) / 2) * height,
    radius: Math.min(LARGEST, Math.max(1, coreRadius(glow) / (pixel * distance))),
  };
}

/** Pixels around a node that still mean it: a fingertip's worth for small ones. */
const REACH = 12;

/** The node nearest to a point, within reach. */
export function nearest(nodes: Iterable<OnScreen>, x: number, y: number): OnScreen | null {
  let best: OnScreen | null = null;
  let least = 1;
  for (const node of nodes) {
    const share = Math.hypot(node.x - x, node.y - y) / Math.max(REACH, node.radius + 4);
    if (share < least) {
      least = share;
      best = node;
    }
  }
  return best;
}
