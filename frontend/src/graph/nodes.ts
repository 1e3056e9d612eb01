/**
 * All nodes in two draw calls of instanced quads that face the camera: every node as a point of
 * light, then those of the token on show as discs with a dark edge, on top of everything.
 */
import {
  type BlendingDstFactor,
  BufferAttribute,
  DynamicDrawUsage,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  Mesh,
  OneMinusSrcAlphaFactor,
  OneMinusSrcColorFactor,
  ShaderMaterial,
} from "three";
import { FLOOR } from "../state/light";
import { blending, type Rgb } from "./palette";

/** The quad reaches this many core radii, to leave room for the halo. */
const HALO = 3.2;

/** A core's radius in pixels is at most this: a light seen close by is still a point of light. */
export const LARGEST = 13;

/** A map is wider than the places that a browser finds: a node on it is as large in the picture. */
export const ON_MAP = 1.6;

/** World radius of a node's core; the shader computes the same. */
export function coreRadius(glow: number): number {
  return 0.75 + 3.1 * glow ** 1.4;
}

const VERTEX = /* glsl */ `
  attribute vec3 place;
  attribute vec3 hue;
  attribute vec3 light;
  uniform float pixel;
  uniform float near;
  uniform float far;
  uniform float onlyFresh;
  uniform float scale;
  varying vec2 corner;
  varying vec3 tint;
  varying float glow;
  varying float depth;
  void main() {
    glow = light.x;
    corner = position.xy * ${HALO.toFixed(1)};
    tint = hue;
    vec4 view = modelViewMatrix * vec4(place, 1.0);
    float distance = -view.z;
    depth = 1.0 - clamp((distance - near) / (far - near), 0.0, 1.0);
    float radius = scale * (0.75 + 3.1 * pow(max(glow, 0.0), 1.4)) * (1.0 + 0.55 * light.y);
    radius = clamp(radius, 1.1 * pixel * distance, ${LARGEST.toFixed(1)} * pixel * distance);
    view.xy += corner * radius * step(0.0, glow) * step(onlyFresh, light.z);
    gl_Position = projectionMatrix * view;
  }
`;

const VARYINGS = /* glsl */ `
  varying vec2 corner;
  varying vec3 tint;
  varying float glow;
  varying float depth;
  uniform float day;
  uniform float rest;
  // On a dark ground what burns is white; on a light one it is dark ink in its hue.
  vec3 heated(float d) {
    float heat = glow * glow * (1.0 - smoothstep(0.1, 0.9, d));
    vec3 night = mix(tint, vec3(1.0, 0.97, 0.92), 0.75 * heat);
    return mix(night, tint * mix(0.85, 0.62, heat), day);
  }
`;

const LIGHT = /* glsl */ `
  ${VARYINGS}
  void main() {
    float d = length(corner);
    float edge = fwidth(d);
    float core = 1.0 - smoothstep(1.0 - edge, 1.0 + edge, d);
    float halo = exp(-1.1 * d) * (1.0 - smoothstep(2.0, ${HALO.toFixed(1)}, d));
    float amount = core * (0.26 * rest + (1.0 - 0.26 * rest) * glow) + halo * mix(0.75, 0.4, day) * glow;
    // What has fired in an earlier run only is dust.
    amount *= mix(0.3, 1.0, smoothstep(0.02, ${FLOOR}, glow));
    amount *= mix(smoothstep(${FLOOR}, ${(2 * FLOOR).toFixed(2)}, glow), 1.0, rest);
    amount *= mix(0.45, 1.0, depth);
    gl_FragColor = vec4(heated(d) * amount, amount);
  }
`;

// The darker the disc, the more it and its edge let through what is below.
const DISC = /* glsl */ `
  ${VARYINGS}
  void main() {
    float d = length(corner);
    float edge = fwidth(d);
    float core = 1.0 - smoothstep(1.0 - edge, 1.0 + edge, d);
    float rim = 1.0 - smoothstep(1.25, 1.25 + 2.0 * edge, d);
    float weight = smoothstep(0.08, 0.35, glow);
    float amount = core * (0.4 + 0.6 * glow);
    // Beyond the edge a second halo, which adds to what is there: no coverage, only light.
    float halo = (1.0 - rim) * exp(-1.3 * (d - 1.0)) * (1.0 - smoothstep(2.0, ${HALO.toFixed(1)}, d));
    vec3 light = heated(d) * amount + tint * 0.3 * halo * glow * glow * (1.0 - day);
    // A ring says that it fires at this word.
    float ring = smoothstep(1.3, 1.3 + edge, d) * (1.0 - smoothstep(1.5, 1.5 + edge, d));
    light += tint * mix(0.9, 0.7, day) * ring;
    amount = max(amount, ring * day);
    float cover = max(amount, 0.85 * rim);
    light += day * vec3(0.97, 0.96, 0.94) * (cover - min(amount, cover));
    gl_FragColor = vec4(light * weight, cover * weight);
  }
`;

export class NodeCloud {
  /** In the order of drawing. */
  readonly meshes: readonly [NodeMesh, NodeMesh];
  private place: Patches;
  private hue: Patches;
  private light: Patches;
  private capacity = 512;

  constructor() {
    this.place = attribute(this.capacity, 3);
    this.hue = attribute(this.capacity, 3);
    this.light = attribute(this.capacity, 3);
    // "Screen": light adds up towards white and never clips to a flat blot.
    const lights = new Mesh(this.geometry(), material(LIGHT, OneMinusSrcColorFactor, 0));
    const discs = new Mesh(lights.geometry, material(DISC, OneMinusSrcAlphaFactor, 0.5));
    this.meshes = [lights, discs];
    this.meshes.forEach((mesh, order) => {
      mesh.frustumCulled = false;
      mesh.renderOrder = 1 + order;
    });
  }

  get count(): number {
    return this.meshes[0].geometry.instanceCount;
  }

  set count(count: number) {
    if (count > this.capacity) this.reserve(Math.max(count, 2 * this.capacity));
    this.meshes[0].geometry.instanceCount = count;
  }

  /** Red, green, blue by node, 0 to 1. */
  get hues(): Float32Array {
    return this.hue.attribute.array as Float32Array;
  }

  /** Takes a node's place from `places`: x, y, z by node. */
  putPlace(index: number, places: Float32Array): void {
    const [x = 0, y = 0, z = 0] = places.subarray(3 * index, 3 * index + 3);
    this.place.attribute.setXYZ(index, x, y, z);
    this.place.touch(index);
  }

  setHue(index: number, [r, g, b]: Rgb): void {
    this.hue.attribute.setXYZ(index, r / 255, g / 255, b / 255);
    this.hue.touch(index);
  }

  /** `glow` 0 to 1, below 0 hides the node; `pulse` 0 to 1 swells it; `fresh` 1 puts it on top. */
  setLight(index: number, glow: number, pulse: number, fresh: number): void {
    this.light.attribute.setXYZ(index, glow, pulse, fresh);
    this.light.touch(index);
  }

  /** Passes on what was set since the last call, to be drawn. */
  send(): void {
    this.place.send();
    this.hue.send();
    this.light.send();
  }

  /** `pixel` is the world size of a pixel at distance 1; `near`, `far` bound the depth shading. */
  setView(pixel: number, near: number, far: number): void {
    for (const { material } of this.meshes) {
      const { uniforms } = material;
      if (uniforms.pixel) uniforms.pixel.value = pixel;
      if (uniforms.near) uniforms.near.value = near;
      if (uniforms.far) uniforms.far.value = far;
    }
  }

  /** On a map, nodes without light are left to its dust; on a light ground they darken it. */
  setLook(day: boolean, onMap: boolean): void {
    this.meshes.forEach((mesh, order) => {
      const { uniforms } = mesh.material;
      if (uniforms.day) uniforms.day.value = Number(day);
      if (uniforms.rest) uniforms.rest.value = Number(!onMap);
      if (uniforms.scale) uniforms.scale.value = onMap ? ON_MAP : 1;
      if (order === 0) Object.assign(mesh.material, blending(day));
    });
  }

  /** Bytes passed on to the graphics card since the start. */
  get sent(): number {
    return this.place.sent + this.hue.sent + this.light.sent;
  }

  /** Moves to larger buffers in a new geometry: three.js fixes the size at the first drawing. */
  private reserve(capacity: number): void {
    const old = this.meshes[0].geometry;
    this.place = attribute(capacity, 3, this.place);
    this.hue = attribute(capacity, 3, this.hue);
    this.light = attribute(capacity, 3, this.light);
    this.capacity = capacity;
    const geometry = this.geometry();
    for (const mesh of this.meshes) mesh.geometry = geometry;
    old.dispose();
  }

  private geometry(): InstancedBufferGeometry {
    const geometry = new InstancedBufferGeometry();
    const quad = new Float32Array([-1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 1, 0]);
    geometry.setAttribute("position", new BufferAttribute(quad, 3));
    geometry.setIndex([0, 1, 2, 0, 2, 3]);
    geometry.setAttribute("place", this.place.attribute);
    geometry.setAttribute("hue", this.hue.attribute);
    geometry.setAttribute("light", this.light.attribute);
    geometry.instanceCount = 0;
    return geometry;
  }
}

type NodeMesh = Mesh<InstancedBufferGeometry, ShaderMaterial>;

function material(
  fragment: string,
  blendDst: BlendingDstFactor,
  onlyFresh: number,
): ShaderMaterial {
  return new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: fragment,
    uniforms: {
      pixel: { value: 0.001 },
      near: { value: 100 },
      far: { value: 600 },
      onlyFresh: { value: onlyFresh },
      day: { value: 0 },
      rest: { value: 1 },
      scale: { value: 1 },
    },
    ...blending(false, blendDst),
  });
}

function attribute(capacity: number, size: number, before?: Patches): Patches {
  const array = new Float32Array(capacity * size);
  if (before) array.set(before.attribute.array);
  return new Patches(new InstancedBufferAttribute(array, size).setUsage(DynamicDrawUsage));
}

/** Items of a buffer that have changed since it was last drawn, as one range: a call costs more. */
export class Patches {
  /** Bytes passed on since the start. */
  sent = 0;
  private first = Infinity;
  private last = -1;

  constructor(readonly attribute: BufferAttribute) {}

  touch(item: number): void {
    if (item < this.first) this.first = item;
    if (item > this.last) this.last = item;
  }

  /** Marks what was touched for the next drawing. */
  send(): void {
    if (this.last < 0) return;
    const { attribute } = this;
    const { itemSize, updateRanges } = attribute;
    // Of a range that was not drawn, as while the browser has taken WebGL away, nothing is lost.
    for (const { start, count } of updateRanges) {
      this.touch(start / itemSize);
      this.touch((start + count) / itemSize - 1);
    }
    attribute.clearUpdateRanges();
    attribute.addUpdateRange(this.first * itemSize, (this.last + 1 - this.first) * itemSize);
    attribute.needsUpdate = true;
    this.sent += (this.last + 1 - this.first) * itemSize * attribute.array.BYTES_PER_ELEMENT;
    this.first = Infinity;
    this.last = -1;
  }
}
