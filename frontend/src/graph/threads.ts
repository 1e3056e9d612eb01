/** The links on show, those with the most evidence: lines that are lit as their ends are. */
import {
  BufferAttribute,
  BufferGeometry,
  DynamicDrawUsage,
  LineSegments,
  ShaderMaterial,
} from "three";
import { LinkSet } from "../state/evidence";
import type { Lights } from "./lights";
import type { Placing } from "./map/placing";
import { Patches } from "./nodes";
import { blending } from "./palette";

/** The links are chosen anew at most this often while tokens come, and so long after the last. */
const CHOOSE_MS = 400;

/** How threads shine: between two dark ends, and between two bright ones. */
export interface Shine {
  resting: number;
  lit: number;
}

/** Links by evidence: where this browser finds the places, and on a map. */
export const FOUND: Shine = { resting: 0.07, lit: 0.62 };
export const MAPPED: Shine = { resting: 0, lit: 0.35 };
/** Kin through the storeys. */
export const KIN: Shine = { resting: 0, lit: 0.85 };

/** Fills a set with the links to draw, in no order. */
export type Select = (into: LinkSet) => void;

export class Web {
  readonly drawn: LinkLines;
  private readonly links: LinkSet;
  private chosenAt = -Infinity;
  private changedAt = -Infinity;
  private stale = false;
  /** All are to be lit anew. */
  private anew = false;

  constructor(
    private readonly select: Select,
    public shine = FOUND,
    capacity = MAX_LINKS,
  ) {
    this.drawn = new LinkLines(capacity);
    this.links = new LinkSet(capacity);
  }

  get count(): number {
    return this.links.count;
  }

  /** New evidence came in. With `now`, it is used at the next frame, e.g. for a slider. */
  changed(now = false): void {
    this.stale = true;
    this.changedAt = performance.now();
    if (now) this.chosenAt = this.changedAt = -Infinity;
  }

  restart(): void {
    this.links.count = 0;
    this.drawn.count = 0;
    this.chosenAt = -Infinity;
  }

  /**
   * Milliseconds until a frame is needed for new evidence, Infinity if there is none. While tokens
   * come, it is used in their frames.
   */
  due(now: number): number {
    const since = Math.max(this.chosenAt, this.changedAt);
    return this.stale ? Math.max(1, since + CHOOSE_MS - now) : Infinity;
  }

  /** Chooses the links anew when it is time; false if it is not. */
  refresh(placing: Placing, now: number): boolean {
    if (!this.stale || now - this.chosenAt < CHOOSE_MS) return false;
    this.stale = false;
    this.anew = true;
    this.chosenAt = now;
    const { links } = this;
    this.select(links);
    let kept = 0;
    for (let i = 0; i < links.count; i += 1) {
      const a = links.a[i] ?? 0;
      const b = links.b[i] ?? 0;
      if (!placing.has(a) || !placing.has(b)) continue;
      links.a[kept] = a;
      links.b[kept] = b;
      links.weight[kept] = links.weight[i] ?? 0;
      this.drawn.setEnds(kept, placing.places, a, b);
      kept += 1;
    }
    links.count = this.drawn.count = kept;
    return true;
  }

  /** The places of their ends have changed. */
  move(placing: Placing): void {
    const { a, b, count } = this.links;
    for (let i = 0; i < count; i += 1) this.drawn.setEnds(i, placing.places, a[i] ?? 0, b[i] ?? 0);
    this.drawn.send();
  }

  /**
   * Lights the links whose ends the last step has changed, or all of them if the links have changed.
   * A hidden end hides a link.
   */
  light(lights: Lights, hues: Float32Array): void {
    const all = this.anew;
    this.anew = false;
    const { shine } = this;
    const { a, b, weight, count } = this.links;
    for (let i = 0; i < count; i += 1) {
      const from = a[i] ?? 0;
      const to = b[i] ?? 0;
      if (!all && lights.isTouched[from] === 0 && lights.isTouched[to] === 0) continue;
      const least = Math.min(lights.glow[from] ?? 0, lights.glow[to] ?? 0);
      const light = least < 0 ? 0 : (weight[i] ?? 0) * (shine.resting + (shine.lit - shine.resting) * least); // prettier-ignore
      this.drawn.setLight(i, light, hues, from, to);
    }
    this.drawn.send();
  }
}

export const MAX_LINKS = 4000;

const VERTEX = /* glsl */ `
  attribute vec3 light;
  varying vec3 colour;
  void main() {
    colour = light;
    gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  }
`;

const FRAGMENT = /* glsl */ `
  uniform float day;
  varying vec3 colour;
  void main() {
    float cover = max(colour.r, max(colour.g, colour.b));
    gl_FragColor = vec4(colour * mix(1.0, 0.6, day), cover);
  }
`;

export class LinkLines {
  readonly lines: LineSegments<BufferGeometry, ShaderMaterial>;
  private readonly places: Patches;
  private readonly colours: Patches;

  constructor(private readonly capacity: number) {
    this.places = ends(capacity);
    this.colours = ends(capacity);
    const material = new ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { day: { value: 0 } },
      ...blending(false),
    });
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", this.places.attribute);
    geometry.setAttribute("light", this.colours.attribute);
    geometry.setDrawRange(0, 0);
    this.lines = new LineSegments(geometry, material);
    this.lines.frustumCulled = false;
  }

  set count(count: number) {
    this.lines.geometry.setDrawRange(0, 2 * Math.min(count, this.capacity));
    this.lines.visible = count > 0;
  }

  /** On a light ground they darken it. */
  setLook(day: boolean): void {
    const { material } = this.lines;
    if (material.uniforms.day) material.uniforms.day.value = Number(day);
    Object.assign(material, blending(day));
  }

  /** Bytes passed on to the graphics card since the start. */
  get sent(): number {
    return this.places.sent + this.colours.sent;
  }

  dispose(): void {
    this.lines.geometry.dispose();
    this.lines.material.dispose();
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

function ends(capacity: number): Patches {
  const array = new Float32Array(capacity * 6);
  return new Patches(new BufferAttribute(array, 3).setUsage(DynamicDrawUsage));
}
