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
import { Patches } from "./patches";

export const MAX_LINKS = 4000;

export class LinkLines {
  readonly lines: LineSegments<BufferGeometry, LineBasicMaterial>;
  private readonly places = ends();
  private readonly colours = ends();

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
    geometry.setAttribute("position", this.places.attribute);
    geometry.setAttribute("color", this.colours.attribute);
    geometry.setDrawRange(0, 0);
    this.lines = new LineSegments(geometry, material);
    this.lines.frustumCulled = false;
  }

  set count(count: number) {
    this.lines.geometry.setDrawRange(0, 2 * Math.min(count, MAX_LINKS));
  }

  /** Puts a link between nodes `a` and `b` of `places`: x, y, z by node. */
  setEnds(index: number, places: Float32Array, a: number, b: number): void {
    copy(places, a, this.places, 2 * index);
    copy(places, b, this.places, 2 * index + 1);
  }

  /** The light of a link, 0 to 1, in its ends' `hues`: red, green, blue by node. */
  setLight(index: number, light: number, hues: Float32Array, a: number, b: number): void {
    copy(hues, a, this.colours, 2 * index, light);
    copy(hues, b, this.colours, 2 * index + 1, light);
  }

  /** Passes on what was set since the last call, to be drawn. */
  send(): void {
    this.places.send();
    this.colours.send();
  }
}

function copy(from: Float32Array, node: number, to: Patches, end: number, factor = 1): void {
  const { array } = to.attribute;
  for (let i = 0; i < 3; i += 1) array[3 * end + i] = factor * (from[3 * node + i] ?? 0);
  to.touch(end);
}

function ends(): Patches {
  const array = new Float32Array(MAX_LINKS * 6);
  return new Patches(new BufferAttribute(array, 3).setUsage(DynamicDrawUsage));
}
