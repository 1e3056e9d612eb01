/** All links in one line buffer: one draw call, whatever their number. */
import {
  AddEquation,
  BufferAttribute,
  BufferGeometry,
  CustomBlending,
  DynamicDrawUsage,
  LineBasicMaterial,
  LineSegments,
  OneFactor,
  OneMinusSrcColorFactor,
} from "three";
import type { Rgb } from "./palette";

export const MAX_LINKS = 4000;

export class LinkLines {
  readonly lines: LineSegments<BufferGeometry, LineBasicMaterial>;
  private readonly places = attribute();
  private readonly colours = attribute();

  constructor() {
    const material = new LineBasicMaterial({
      vertexColors: true,
      depthTest: false,
      depthWrite: false,
      transparent: true,
      blending: CustomBlending,
      blendEquation: AddEquation,
      blendSrc: OneFactor,
      blendDst: OneMinusSrcColorFactor,
    });
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", this.places);
    geometry.setAttribute("color", this.colours);
    geometry.setDrawRange(0, 0);
    this.lines = new LineSegments(geometry, material);
    this.lines.frustumCulled = false;
  }

  set count(count: number) {
    this.lines.geometry.setDrawRange(0, 2 * Math.min(count, MAX_LINKS));
    this.places.needsUpdate = true;
  }

  setEnds(index: number, places: Float32Array, a: number, b: number): void {
    for (const [end, node] of [a, b].entries()) {
      this.places.setXYZ(
        2 * index + end,
        places[3 * node] ?? 0,
        places[3 * node + 1] ?? 0,
        places[3 * node + 2] ?? 0,
      );
    }
  }

  /** The light of a link, 0 to 1, in its ends' hues. */
  setLight(index: number, light: number, a: Rgb, b: Rgb): void {
    const amount = light / 255;
    this.colours.setXYZ(2 * index, a[0] * amount, a[1] * amount, a[2] * amount);
    this.colours.setXYZ(2 * index + 1, b[0] * amount, b[1] * amount, b[2] * amount);
    this.colours.needsUpdate = true;
  }
}

function attribute(): BufferAttribute {
  return new BufferAttribute(new Float32Array(MAX_LINKS * 6), 3).setUsage(DynamicDrawUsage);
}
