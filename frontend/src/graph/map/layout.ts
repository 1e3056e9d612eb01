/**
 * Places the features. A feature is placed once, when it first fires, among those already placed
 * and those known from earlier visits; then it stays. So no token moves a placed node, and a token
 * costs only the placing of its new nodes.
 */
import {
  forceLink,
  forceManyBody,
  forceSimulation,
  forceX,
  forceY,
  forceZ,
  type Simulation,
} from "d3-force-3d";

export interface Newcomer {
  index: number;
  source: string;
  id: number;
  /** Height of its layer's storey, in world units. */
  level: number;
}

/** A tie that pulls two features together; `weight` 0 to 1. */
export interface Tie {
  a: number;
  b: number;
  weight: number;
}

interface Body {
  x: number;
  y: number;
  z: number;
  fx?: number;
  fy?: number;
  fz?: number;
  level: number;
}

interface Spring {
  source: Body;
  target: Body;
  weight: number;
}

const TICKS = 60;
const SPREAD = 90;
const TIE_LENGTH = 16;
/** Repulsion ends at this distance: placed features farther from every newcomer are left out. */
const REACH = 70;

export class Layout {
  private readonly byIndex = new Map<number, Body>();
  /** Known from earlier visits, not yet fired: their places are kept free. */
  private readonly awaited = new Map<string, Body>();
  private readonly simulation: Simulation<Body>;

  constructor() {
    this.simulation = forceSimulation<Body>([], 3)
      .stop()
      .alphaDecay(1 - 0.01 ** (1 / TICKS))
      .velocityDecay(0.45)
      .force("charge", forceManyBody<Body>().strength(-26).distanceMax(REACH).theta(1))
      .force("x", forceX<Body>(0).strength(0.03))
      .force("z", forceZ<Body>(0).strength(0.03))
      .force("y", forceY<Body>((body) => body.level).strength(0.35));
  }

  /** Takes a source's places from earlier visits: x, height above `level`, z of each. */
  know(source: string, level: number, ids: Uint32Array, spots: Float32Array): void {
    ids.forEach((id, i) => {
      const [x = 0, rise = 0, z = 0] = spots.subarray(3 * i, 3 * i + 3);
      const body: Body = { x, y: level + rise, z, level };
      pin(body);
      this.awaited.set(keyOf(source, id), body);
    });
  }

  /** Places the newcomers and returns their positions: x, y, z for each, in their order. */
  add(newcomers: readonly Newcomer[], ties: readonly Tie[]): Float32Array {
    const strangers = newcomers.filter((newcomer) => !this.welcome(newcomer));
    const placed = [...this.byIndex.values(), ...this.awaited.values()];
    const bodies = strangers.map((newcomer) => this.enter(newcomer, ties));
    if (bodies.length > 0) this.settle(bodies, placed, ties);
    return Float32Array.from(
      newcomers.flatMap(({ index }) => {
        const { x, y, z } = this.byIndex.get(index) ?? { x: 0, y: 0, z: 0 };
        return [x, y, z];
      }),
    );
  }

  /** Gives a feature known from earlier visits its place back; false if it has none. */
  private welcome({ index, source, id }: Newcomer): boolean {
    const key = keyOf(source, id);
    const body = this.awaited.get(key);
    if (!body) return false;
    this.awaited.delete(key);
    this.byIndex.set(index, body);
    return true;
  }

  private settle(bodies: readonly Body[], placed: readonly Body[], ties: readonly Tie[]): void {
    const around = placed.filter((body) => bodies.some((other) => near(body, other)));
    this.simulation.nodes([...bodies, ...around]);
    const present = new Set([...bodies, ...around]);
    const springs = this.springs(ties).filter(
      ({ source, target }) => present.has(source) && present.has(target),
    );
    const force = forceLink<Body, Spring>(springs).distance(TIE_LENGTH);
    this.simulation.force(
      "ties",
      force.strength((spring) => 0.08 + 0.4 * spring.weight),
    );
    this.simulation.alpha(1).tick(TICKS);
    bodies.forEach(pin);
  }

  /** Starts a newcomer near the placed features it fires with, else at a place of its own. */
  private enter({ index, source, id, level }: Newcomer, ties: readonly Tie[]): Body {
    const seed = seedOf(keyOf(source, id));
    const tied = ties
      .filter((tie) => tie.a === index || tie.b === index)
      .map((tie) => this.byIndex.get(tie.a === index ? tie.b : tie.a))
      .filter((body) => body !== undefined);
    const angle = 2 * Math.PI * fraction(seed, 1);
    const radius = (tied.length > 0 ? TIE_LENGTH : SPREAD) * Math.sqrt(fraction(seed, 2));
    const body: Body = {
      x: mean(tied.map((other) => other.x)) + radius * Math.cos(angle),
      y: level + 12 * (fraction(seed, 3) - 0.5),
      z: mean(tied.map((other) => other.z)) + radius * Math.sin(angle),
      level,
    };
    this.byIndex.set(index, body);
    return body;
  }

  private springs(ties: readonly Tie[]): Spring[] {
    return ties.flatMap(({ a, b, weight }) => {
      const source = this.byIndex.get(a);
      const target = this.byIndex.get(b);
      return source && target ? [{ source, target, weight }] : [];
    });
  }
}

function near(a: Body, b: Body): boolean {
  return (a.x - b.x) ** 2 + (a.y - b.y) ** 2 + (a.z - b.z) ** 2 < REACH ** 2;
}

function pin(body: Body): void {
  body.fx = body.x;
  body.fy = body.y;
  body.fz = body.z;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function keyOf(source: string, id: number): string {
  return `${source}/${id}`;
}

/** A number from 0 to 1 that looks random and is always the same for the same seed and salt. */
export function fraction(seed: number, salt: number): number {
  let hash = Math.imul(seed ^ Math.imul(salt, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** A seed for a feature's key (FNV-1a). */
export function seedOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
