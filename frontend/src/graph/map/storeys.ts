/** The storeys as faint planes: on each, where its features lie, as a soft cloud in their hues. */
import {
  BufferAttribute,
  BufferGeometry,
  DataTexture,
  DoubleSide,
  LinearFilter,
  Mesh,
  ShaderMaterial,
} from "three";
import { type FeatureMap, WIDTH } from "../../state/map";
import { SPAN } from "../../wire/map";
import { blending, type Rgb } from "../palette";
import type { Hues } from "./hues";

/** Texels along a storey's side, and how far a feature's hue spreads. */
const SIDE = 128;
const SPREAD = 3;
const PASSES = 3;
/** A plane reaches this much beyond the map on each side, as a share of the map's width. */
const RIM = 0.05;

const VERTEX = /* glsl */ `
  attribute float storey;
  uniform float storeys;
  varying vec2 at;
  varying vec2 spot;
  varying float distance;
  void main() {
    at = uv;
    spot = vec2(uv.x, (storey + clamp(uv.y, 0.004, 0.996)) / storeys);
    vec4 view = modelViewMatrix * vec4(position, 1.0);
    distance = -view.z;
    gl_Position = projectionMatrix * view;
  }
`;

const FRAGMENT = /* glsl */ `
  uniform sampler2D cloud;
  uniform vec3 line;
  uniform float near;
  uniform float far;
  uniform float strength;
  varying vec2 at;
  varying vec2 spot;
  varying float distance;
  void main() {
    vec4 soft = texture2D(cloud, spot);
    // A square with round corners: nothing of the map lies in the corners of a real one.
    vec2 off = abs(2.0 * at - 1.0);
    float rim = 1.0 - pow(pow(off.x, 4.0) + pow(off.y, 4.0), 0.25);
    if (rim < 0.0) discard;
    float edge = 1.0 - smoothstep(0.0, 1.6 * fwidth(rim), rim);
    float fog = 1.0 - 0.6 * smoothstep(near, far, distance);
    float a = soft.a * strength * fog;
    float b = (0.14 * edge + 0.012) * fog;
    gl_FragColor = vec4(soft.rgb * a + line * b, a + b);
  }
`;

export class Storeys {
  readonly mesh: Mesh<BufferGeometry, ShaderMaterial>;
  private readonly pixels: Uint8Array;
  private readonly texture: DataTexture;
  private strength = 0.3;

  constructor(private readonly map: FeatureMap) {
    const { storeys } = map;
    this.pixels = new Uint8Array(4 * SIDE * SIDE * storeys);
    this.texture = new DataTexture(this.pixels, SIDE, SIDE * storeys);
    this.texture.minFilter = this.texture.magFilter = LinearFilter;
    const material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: {
        cloud: { value: this.texture },
        storeys: { value: storeys },
        line: { value: [1, 1, 1] },
        near: { value: 100 },
        far: { value: 600 },
        strength: { value: 0.3 },
      },
      side: DoubleSide,
      ...blending(false),
    });
    this.mesh = new Mesh(planes(map), material);
    this.mesh.frustumCulled = false;
    this.mesh.renderOrder = -2;
  }

  paint(hues: Hues, line: Rgb): void {
    const { map, pixels } = this;
    const { day } = hues;
    for (let storey = 0; storey < map.storeys; storey += 1) {
      const cloud = cloudOf(map, storey, hues);
      pixels.set(cloud, 4 * SIDE * SIDE * storey);
    }
    this.texture.needsUpdate = true;
    const { material } = this.mesh;
    Object.assign(material, blending(day));
    const { uniforms } = material;
    if (uniforms.line) uniforms.line.value = line.map((part) => part / 255);
    this.strength = day ? 0.42 : 0.44;
  }

  /** `share` of their usual strength is left. */
  setView(near: number, far: number, share: number): void {
    const { uniforms } = this.mesh.material;
    if (uniforms.strength) uniforms.strength.value = share * this.strength;
    if (uniforms.near) uniforms.near.value = near;
    if (uniforms.far) uniforms.far.value = far;
  }

  dispose(): void {
    this.texture.dispose();
    this.mesh.geometry.dispose();
    this.mesh.material.dispose();
  }
}

function planes(map: FeatureMap): BufferGeometry {
  const half = (0.5 + RIM) * WIDTH;
  const corners = [
    [-1, -1],
    [1, -1],
    [1, 1],
    [-1, 1],
  ] as const;
  const [places, uvs, storeys, index]: number[][] = [[], [], [], []];
  for (let storey = 0; storey < map.storeys; storey += 1) {
    for (const [x, z] of corners) {
      places?.push(x * half, map.levelOf(storey), z * half);
      uvs?.push((x + 1) / 2, (z + 1) / 2);
      storeys?.push(storey);
    }
    index?.push(...[0, 1, 2, 0, 2, 3].map((corner) => 4 * storey + corner));
  }
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(Float32Array.from(places ?? []), 3));
  geometry.setAttribute("uv", new BufferAttribute(Float32Array.from(uvs ?? []), 2));
  geometry.setAttribute("storey", new BufferAttribute(Float32Array.from(storeys ?? []), 1));
  geometry.setIndex(index ?? []);
  return geometry;
}

type Plane = Float32Array<ArrayBuffer>;
type Planes = [Plane, Plane, Plane, Plane];

/** The texel of a coordinate: the rim around the map is part of the picture. */
function texel(coordinate: number): number {
  return Math.min(SIDE - 1, Math.floor(((coordinate / SPAN + RIM) / (1 + 2 * RIM)) * SIDE));
}

/** Red, green, blue and density of a storey. */
function cloudOf(map: FeatureMap, storey: number, hues: Hues): Uint8Array {
  const [red, green, blue, density] = [0, 1, 2, 3].map(() => new Float32Array(SIDE * SIDE)) as Planes; // prettier-ignore
  const { x, y, sources } = map.file;
  for (const { first, width } of sources.filter((source) => source.storey === storey)) {
    hues.each(first, width, (i, r, g, b) => {
      const at = texel(y[i] ?? 0) * SIDE + texel(x[i] ?? 0);
      red[at] = (red[at] ?? 0) + r;
      green[at] = (green[at] ?? 0) + g;
      blue[at] = (blue[at] ?? 0) + b;
      density[at] = (density[at] ?? 0) + 1;
    });
  }
  const soft = [red, green, blue, density].map(blurred) as Planes;
  const usual = quantile(soft[3], 0.97);
  const out = new Uint8Array(4 * SIDE * SIDE);
  for (let at = 0; at < SIDE * SIDE; at += 1) {
    const here = soft[3][at] ?? 0;
    for (let k = 0; k < 3 && here > 0; k += 1) out[4 * at + k] = (soft[k]?.[at] ?? 0) / here;
    out[4 * at + 3] = 255 * Math.min(1, here / Math.max(usual, 1e-6)) ** 0.8;
  }
  return out;
}

/** Box blurs, one after another, come close to a Gaussian one. */
export function blurred(plane: Plane): Plane {
  let [from, to] = [plane, new Float32Array(plane.length)];
  const side = Math.round(Math.sqrt(plane.length));
  for (let pass = 0; pass < PASSES; pass += 1) {
    for (const [step, line] of [
      [1, side],
      [side, 1],
    ] as const) {
      // prettier-ignore
      for (let k = 0; k < side; k += 1) smear(from, to, k * line, step, side);
      [from, to] = [to, from];
    }
  }
  return from;
}

function smear(
  from: Float32Array,
  to: Float32Array,
  start: number,
  step: number,
  side: number,
): void {
  let sum = 0;
  const at = (i: number): number => (i < 0 || i >= side ? 0 : (from[start + i * step] ?? 0));
  for (let i = -SPREAD; i < SPREAD; i += 1) sum += at(i);
  for (let i = 0; i < side; i += 1) {
    sum += at(i + SPREAD) - (i > 0 ? at(i - SPREAD - 1) : 0);
    to[start + i * step] = sum / (2 * SPREAD + 1);
  }
}

function quantile(values: Float32Array, share: number): number {
  const filled = values.filter((value) => value > 0).sort();
  return filled[Math.floor(share * (filled.length - 1))] ?? 0;
}
