/** All nodes in one draw call: instanced quads facing the camera, each a point of light. */
import {
  AddEquation,
  CustomBlending,
  DynamicDrawUsage,
  InstancedBufferAttribute,
  InstancedBufferGeometry,
  BufferAttribute,
  Mesh,
  OneFactor,
  OneMinusSrcColorFactor,
  ShaderMaterial,
} from "three";
import type { Rgb } from "./palette";

/** The quad reaches this many core radii, to leave room for the halo. */
const HALO = 3.2;

/** A core's radius in pixels is at most this: a light seen close by is still a point of light. */
export const LARGEST = 13;

/** World radius of a node's core; the shader does the same sum. */
export function coreRadius(glow: number): number {
  return 0.75 + 3.1 * glow ** 1.4;
}

const VERTEX = /* glsl */ `
  attribute vec3 place;
  attribute vec3 hue;
  attribute vec2 light;
  uniform float pixel;
  uniform float near;
  uniform float far;
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
    float radius = (0.75 + 3.1 * pow(max(glow, 0.0), 1.4)) * (1.0 + 0.55 * light.y);
    radius = clamp(radius, 1.1 * pixel * distance, ${LARGEST.toFixed(1)} * pixel * distance);
    view.xy += corner * radius * step(0.0, glow);
    gl_Position = projectionMatrix * view;
  }
`;

const FRAGMENT = /* glsl */ `
  varying vec2 corner;
  varying vec3 tint;
  varying float glow;
  varying float depth;
  void main() {
    float d = length(corner);
    float edge = fwidth(d);
    float core = 1.0 - smoothstep(1.0 - edge, 1.0 + edge, d);
    float halo = exp(-1.1 * d) * (1.0 - smoothstep(2.0, ${HALO.toFixed(1)}, d));
    float heat = glow * glow * (1.0 - smoothstep(0.1, 0.9, d));
    vec3 colour = mix(tint, vec3(1.0, 0.97, 0.92), 0.75 * heat);
    float amount = core * (0.26 + 0.74 * glow) + halo * 0.75 * glow;
    amount *= mix(0.45, 1.0, depth);
    gl_FragColor = vec4(colour * amount, amount);
  }
`;

export class NodeCloud {
  readonly mesh: Mesh<InstancedBufferGeometry, ShaderMaterial>;
  private place?: InstancedBufferAttribute;
  private hue?: InstancedBufferAttribute;
  private light?: InstancedBufferAttribute;
  private capacity = 0;

  constructor() {
    const material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { pixel: { value: 0.001 }, near: { value: 100 }, far: { value: 600 } },
      depthTest: false,
      depthWrite: false,
      transparent: true,
      // "Screen": light adds up towards white and never clips to a flat blot.
      blending: CustomBlending,
      blendEquation: AddEquation,
      blendSrc: OneFactor,
      blendDst: OneMinusSrcColorFactor,
    });
    this.mesh = new Mesh(new InstancedBufferGeometry(), material);
    this.mesh.frustumCulled = false;
    this.reserve(512);
  }

  set count(count: number) {
    if (count > this.capacity) this.reserve(Math.max(count, 2 * this.capacity));
    this.mesh.geometry.instanceCount = count;
  }

  setPlace(index: number, x: number, y: number, z: number): void {
    update(this.place?.setXYZ(index, x, y, z));
  }

  setHue(index: number, [r, g, b]: Rgb): void {
    update(this.hue?.setXYZ(index, r / 255, g / 255, b / 255));
  }

  /** `glow` 0 to 1, below 0 hides the node; `pulse` 0 to 1 swells it. */
  setLight(index: number, glow: number, pulse: number): void {
    update(this.light?.setXY(index, glow, pulse));
  }

  /** `pixel` is the world size of a pixel at distance 1; `near`, `far` bound the depth shading. */
  setView(pixel: number, near: number, far: number): void {
    const { uniforms } = this.mesh.material;
    if (uniforms.pixel) uniforms.pixel.value = pixel;
    if (uniforms.near) uniforms.near.value = near;
    if (uniforms.far) uniforms.far.value = far;
  }

  /** Moves to larger buffers, in a new geometry: three fixes a geometry's room at its first drawing. */
  private reserve(capacity: number): void {
    const old = this.mesh.geometry;
    const geometry = new InstancedBufferGeometry();
    const quad = new Float32Array([-1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 1, 0]);
    geometry.setAttribute("position", new BufferAttribute(quad, 3));
    geometry.setIndex([0, 1, 2, 0, 2, 3]);
    geometry.instanceCount = 0;
    const grow = (name: string, size: number, before?: InstancedBufferAttribute) => {
      const array = new Float32Array(capacity * size);
      if (before) array.set(before.array);
      const attribute = new InstancedBufferAttribute(array, size).setUsage(DynamicDrawUsage);
      geometry.setAttribute(name, attribute);
      return attribute;
    };
    this.place = grow("place", 3, this.place);
    this.hue = grow("hue", 3, this.hue);
    this.light = grow("light", 2, this.light);
    this.mesh.geometry = geometry;
    old.dispose();
    this.capacity = capacity;
  }
}

function update(attribute: BufferAttribute | undefined): void {
  if (attribute) attribute.needsUpdate = true;
}
