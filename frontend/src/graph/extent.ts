/** How far the picture reaches. */
import { Vector3 } from "three";

/** The extent of the picture: a standing cylinder around the axis through `centre`. */
export interface Extent {
  centre: Vector3;
  radius: number;
  halfHeight: number;
}

/** Share of the nodes that must be inside. */
const SHARE = 0.93;
const LEAST_RADIUS = 60;
const LEAST_HALF_HEIGHT = 24;

/** @param places x, y, z of each node in `indices`, by 3 * index */
export function extentOf(places: Float32Array, indices: readonly number[]): Extent {
  const radii = Float32Array.from(indices, (i) =>
    Math.hypot(places[3 * i] ?? 0, places[3 * i + 2] ?? 0),
  ).sort();
  const heights = Float32Array.from(indices, (i) => places[3 * i + 1] ?? 0).sort();
  const low = heights[Math.floor((1 - SHARE) * heights.length)] ?? 0;
  const high = heights[Math.ceil(SHARE * heights.length) - 1] ?? 0;
  return {
    centre: new Vector3(0, (low + high) / 2, 0),
    radius: Math.max(LEAST_RADIUS, radii[Math.ceil(SHARE * radii.length) - 1] ?? 0),
    halfHeight: Math.max(LEAST_HALF_HEIGHT, (high - low) / 2),
  };
}
