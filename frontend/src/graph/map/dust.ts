/**
 * All features of the map as one cloud of points, drawn in one call: 8 bytes a feature, uploaded
 * once. A token changes nothing here; what fires is drawn over it.
 */
import {
  BufferAttribute,
  BufferGeometry,
  type IUniform,
  Points,
  ShaderMaterial,
  Sphere,
  type Vector3,
} from "three";
import { type FeatureMap, WIDTH } from "../../state/map";
import { blending } from "../palette";
import type { Hues } from "./hues";

/** More sources than these are not told apart by filters. */
const MOST_SOURCES = 64;
/** Diameter of a point in world units, and in CSS pixels at least and at most. */
const SIZE = 0.62;
/** The cloud's light is about that of this many points, however many there are. */
const USUAL = 9000;

const VERTEX = /* glsl */ `
  attribute vec4 tint;
  uniform float pixel;
  uniform float ratio;
  uniform float near;
  uniform float far;
  uniform float amount;
  uniform vec3 spot;
  uniform float levels[${MOST_SOURCES}];
  uniform float shown[${MOST_SOURCES}];
  varying vec4 colour;
  varying float size;
  void main() {
    int source = int(tint.a * 255.0 + 0.5);
    vec3 place = vec3(position.x - 0.5, 0.0, position.y - 0.5) * ${WIDTH.toFixed(1)};
    place.y = levels[source];
    vec4 view = modelViewMatrix * vec4(place, 1.0);
    float distance = -view.z;
    float across = ${SIZE} / (pixel * distance);
    size = clamp(across, 1.8, 5.0) * ratio;
    float fog = 1.0 - 0.72 * smoothstep(near, far, distance);
    float thin = mix(amount, 1.0, smoothstep(1.0, 3.0, across));
    float inside = spot.z > 0.0 ? 1.0 - smoothstep(0.9, 1.0, length(place.xz - spot.xy) / spot.z) : 0.0;
    colour = vec4(tint.rgb, fog * thin * mix(0.8, 1.0, inside) * shown[source]);
    gl_Position = projectionMatrix * view;
    gl_PointSize = colour.a > 0.0 ? size : 0.0;
  }
`;

const FRAGMENT = /* glsl */ `
  varying vec4 colour;
  varying float size;
  void main() {
    float d = length(gl_PointCoord - 0.5) * size;
    float edge = 1.0 - smoothstep(0.5 * size - 1.2, 0.5 * size, d);
    float amount = colour.a * edge;
    gl_FragColor = vec4(colour.rgb * amount, amount);
  }
`;

export class Dust {
  readonly points: Points<BufferGeometry, ShaderMaterial>;
  private readonly tint: BufferAttribute;
  private readonly uniforms = {
    pixel: { value: 0.001 },
    ratio: { value: 1 },
    near: { value: 100 },
    far: { value: 600 },
    amount: { value: 1 },
    spot: { value: [0, 0, 0] },
    levels: { value: new Float32Array(MOST_SOURCES) },
    shown: { value: new Float32Array(MOST_SOURCES).fill(1) },
  } satisfies Record<string, IUniform>;

  constructor(private readonly map: FeatureMap) {
    const { sources, x, y } = map.file;
    const places = new Uint16Array(2 * map.size);
    for (let i = 0; i < map.size; i += 1) {
      places[2 * i] = x[i] ?? 0;
      places[2 * i + 1] = y[i] ?? 0;
    }
    this.tint = new BufferAttribute(new Uint8Array(4 * map.size), 4, true);
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(places, 2, true));
    geometry.setAttribute("tint", this.tint);
    const material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: this.uniforms,
      ...blending(false),
    });
    this.points = new Points(geometry, material);
    this.points.frustumCulled = false;
    // The order of drawing asks for one, and would work it out from places that are not there.
    geometry.boundingSphere = new Sphere();
    sources.slice(0, MOST_SOURCES).forEach(({ storey }, i) => {
      this.uniforms.levels.value[i] = map.levelOf(storey);
    });
    this.uniforms.amount.value = Math.min(1, Math.max(0.22, (USUAL / map.size) ** 0.42));
  }

  /** Bytes that a feature takes on the graphics card. */
  static readonly BYTES = 8;

  /** On a light ground it takes light away. */
  paint(hues: Hues): void {
    const { array } = this.tint;
    for (const [source, { first, width }] of this.map.file.sources.entries()) {
      hues.each(first, width, (i, r, g, b) => {
        array[4 * i] = r;
        array[4 * i + 1] = g;
        array[4 * i + 2] = b;
        array[4 * i + 3] = Math.min(source, MOST_SOURCES - 1);
      });
    }
    this.tint.needsUpdate = true;
    Object.assign(this.points.material, blending(hues.day));
  }

  /** Sources that are switched off have no dust. */
  show(shown: (source: string) => boolean): void {
    this.map.file.sources.slice(0, MOST_SOURCES).forEach(({ id }, i) => {
      this.uniforms.shown.value[i] = shown(id) ? 1 : 0;
    });
  }

  /** The points around a place stand out; null for none. */
  stress(place: Vector3 | null, radius: number): void {
    this.uniforms.spot.value = place ? [place.x, place.z, radius] : [0, 0, 0];
  }

  /** As `NodeCloud.setView`; `ratio` is device pixels a CSS pixel. */
  setView(pixel: number, near: number, far: number, ratio: number): void {
    const { uniforms } = this;
    uniforms.pixel.value = pixel;
    uniforms.near.value = near;
    uniforms.far.value = far;
    uniforms.ratio.value = ratio;
  }

  dispose(): void {
    this.points.geometry.dispose();
    this.points.material.dispose();
  }
}
