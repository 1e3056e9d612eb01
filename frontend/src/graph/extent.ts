/** The extent of all nodes, without the few outliers that would make everything else small. */
import { Vector3 } from "three";
import type { Extent } from "./camera";

/** Share of the nodes that must be inside. */
const SHARE = 0.93;
const LEAST_RADIUS = 60;
const LEAST_HALF_HEIGHT = 24;

/** @param places x, y, z of each node in `indices`, by 3 * index */
export function extentOf(places: Float32Array, indices: Iterable<number>): Extent {
  const radii: number[] = [];
  const heights: number[] = [];
  for (const index of indices) {
    radii.push(Math.hypot(places[3 * index] ?? 0, places[3 * index + 2] ?? 0));
    heights.push(places[3 * index + 1] ?? 0);
  }
  heights.sort((a, b) => a - b);
  const low = heights[Math.floor((1 - SHARE) * heights.length)] ?? 0;
  const high = heights[Math.ceil(SHARE * heights.length) - 1] ?? 0;
  radii.sort((a, b) => a - b);
  return {
    centre: new Vector3(0, (low + high) / 2, 0),
    radius: Math.max(LEAST_RADIUS, radii[Math.ceil(SHARE * radii.length) - 1] ?? 0),
    halfHeight: Math.max(LEAST_HALF_HEIGHT, (high - low) / 2),
  };
}
