/** The links on show, those with the most evidence: lines that are lit as their ends are. */
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
import { LinkSet } from "../state/evidence";
import type { Session } from "../state/session";
import type { Lights } from "./lights";
import type { Placing } from "./map/placing";
import { Patches } from "./nodes";

/** The links are chosen anew at most this often while tokens come, and so long after the last. */
const CHOOSE_MS = 400;
/** Light of a link with full evidence between two dark and two bright ends. */
const RESTING = 0.07;
const LIT = 0.62;
/** Least light of the chosen feature's links, and the share that all others keep. */
const OWN = 0.6;
const OTHERS = 0.3;

export class Web {
  readonly drawn = new LinkLines();
  private readonly links = new LinkSet(MAX_LINKS);
  private chosenAt = -Infinity;
  private changedAt = -Infinity;
  private stale = false;
  /** All are to be lit anew. */
  private anew = false;
  private chosen: number | null = null;

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

  /** Chooses the links anew, with `floor` or more evidence, when it is time; false if it is not. */
  refresh(session: Session, floor: number, placing: Placing, now: number): boolean {
    if (!this.stale || now - this.chosenAt < CHOOSE_MS) return false;
    this.stale = false;
    this.anew = true;
    this.chosenAt = now;
    const { links } = this;
    session.links.select(floor, links);
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

  /**
   * Lights the links whose ends the last step has changed, or all of them if the links or the
   * `chosen` node have changed, whose own links stand out. A hidden end hides a link.
   */
  light(lights: Lights, hues: Float32Array, chosen: number | null): void {
    const all = this.anew || chosen !== this.chosen;
    this.anew = false;
    this.chosen = chosen;
    const { a, b, weight, count } = this.links;
    for (let i = 0; i < count; i += 1) {
      const from = a[i] ?? 0;
      const to = b[i] ?? 0;
      if (!all && lights.isTouched[from] === 0 && lights.isTouched[to] === 0) continue;
      const least = Math.min(lights.glow[from] ?? 0, lights.glow[to] ?? 0);
      const own = from === chosen || to === chosen;
      const fire = chosen === null ? least : own ? Math.max(least, OWN) : OTHERS * least;
      const light = least < 0 ? 0 : (weight[i] ?? 0) * (RESTING + (LIT - RESTING) * fire);
      this.drawn.setLight(i, light, hues, from, to);
    }
    this.drawn.send();
  }
}

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
