/** How much more often than chance two features fire together: the weight of a link. */
import { grown } from "./arrays";

/** Most pairs kept; beyond that, the oldest that were seen only once go first. */
const MAX_PAIRS = 40_000;
/** Joint sightings at which half of the statistical weight counts. */
const SHRINK = 2;

/**
 * Normalised pointwise mutual information, shrunk for few sightings: 0 (chance or less) to 1.
 * Features that fire everywhere score 0 with each other, however often they meet.
 *
 * @param together tokens at which both fired
 * @param a tokens at which the first fired
 * @param b tokens at which the second fired
 * @param total tokens seen
 */
export function evidence(together: number, a: number, b: number, total: number): number {
  if (together <= 0 || together >= total) return 0;
  const information = Math.log((total * together) / (a * b));
  const normalised = information / -Math.log(together / total);
  return Math.max(0, Math.min(1, normalised)) * (together / (together + SHRINK));
}

export interface Link {
  a: number;
  b: number;
  together: number;
  /** 0 to 1, see `evidence`. */
  weight: number;
}

/** Links in plain arrays, which are refilled without garbage. */
export class LinkSet {
  count = 0;
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly weight: Float32Array;

  constructor(readonly capacity: number) {
    this.a = new Uint32Array(capacity);
    this.b = new Uint32Array(capacity);
    this.weight = new Float32Array(capacity);
  }
}

/** Joint sightings from which on a link is drawn. */
const SIGHTINGS = 3;

/** Counts co-activations token by token. Features are numbered by their order of appearance. */
export class CoActivation {
  private total = 0;
  private alone = new Uint32Array(512);
  /** The place of a pair in the arrays below, which keep the order of first sighting. */
  private slots = new Map<number, number>();
  private readonly first: Uint32Array;
  private readonly second: Uint32Array;
  private readonly together: Uint32Array;
  private count = 0;

  constructor(private readonly maxPairs = MAX_PAIRS) {
    this.first = new Uint32Array(maxPairs);
    this.second = new Uint32Array(maxPairs);
    this.together = new Uint32Array(maxPairs);
  }

  /**
   * Counts one token. `groups` holds each source's strongest features, in the order of the
   * sources: pairs are counted within a group and from each group to the next, since meaning
   * passes from layer to layer.
   */
  observe(groups: readonly (readonly number[])[]): void {
    this.total += 1;
    groups.forEach((group, g) => {
      const next = groups[g + 1] ?? [];
      group.forEach((a, i) => {
        this.meet(a);
        for (let j = i + 1; j < group.length; j += 1) this.pair(a, group[j] ?? a);
        for (const b of next) this.pair(a, b);
      });
    });
  }

  get size(): number {
    return this.count;
  }

  weight(a: number, b: number): number {
    const slot = this.slots.get(pairKey(a, b));
    return slot === undefined ? 0 : this.weightAt(slot);
  }

  /**
   * Fills `into` with the links between features of `among` (1 by number), of evidence `floor` or
   * more: what was seen together less often than `SIGHTINGS` may be chance.
   */
  select(floor: number, among: Uint8Array, into: LinkSet): void {
    const least = Math.max(floor, Number.MIN_VALUE);
    into.count = 0;
    for (let slot = 0; slot < this.count && into.count < into.capacity; slot += 1) {
      const [a = 0, b = 0] = [this.first[slot], this.second[slot]];
      if (among[a] !== 1 || among[b] !== 1 || (this.together[slot] ?? 0) < SIGHTINGS) continue;
      const weight = this.weightAt(slot);
      if (weight < least) continue;
      into.a[into.count] = a;
      into.b[into.count] = b;
      into.weight[into.count] = weight;
      into.count += 1;
    }
  }

  /** A feature's own links, the most evidence first. */
  around(feature: number, limit: number): Link[] {
    return this.linksWhere((a, b) => a === feature || b === feature)
      .sort((x, y) => y.weight - x.weight || y.together - x.together)
      .slice(0, limit);
  }

  /** The links of all features from number `feature` on, in no order. */
  from(feature: number): Link[] {
    return this.linksWhere((a, b) => a >= feature || b >= feature);
  }

  private linksWhere(wanted: (a: number, b: number) => boolean): Link[] {
    const links: Link[] = [];
    for (let slot = 0; slot < this.count; slot += 1) {
      const a = this.first[slot] ?? 0;
      const b = this.second[slot] ?? 0;
      if (!wanted(a, b)) continue;
      const weight = this.weightAt(slot);
      if (weight > 0) links.push({ a, b, together: this.together[slot] ?? 0, weight });
    }
    return links;
  }

  private weightAt(slot: number): number {
    const a = this.alone[this.first[slot] ?? 0] ?? 0;
    const b = this.alone[this.second[slot] ?? 0] ?? 0;
    return evidence(this.together[slot] ?? 0, a, b, this.total);
  }

  private meet(feature: number): void {
    this.alone = grown(this.alone, feature + 1);
    this.alone[feature] = (this.alone[feature] ?? 0) + 1;
  }

  private pair(a: number, b: number): void {
    if (a === b) return;
    const key = pairKey(a, b);
    let slot = this.slots.get(key);
    if (slot === undefined) {
      if (this.count === this.maxPairs) this.forget();
      slot = this.count;
      this.count += 1;
      this.slots.set(key, slot);
      this.first[slot] = Math.min(a, b);
      this.second[slot] = Math.max(a, b);
      this.together[slot] = 0;
    }
    this.together[slot] = (this.together[slot] ?? 0) + 1;
  }

  /** Makes room: the oldest single sightings go first, then the oldest of all. */
  private forget(): void {
    let surplus = this.count - Math.floor(0.8 * this.maxPairs);
    surplus = this.drop(surplus, (slot) => this.together[slot] === 1);
    if (surplus > 0) this.drop(surplus, () => true);
  }

  /** Drops up to `surplus` pairs, the oldest first, and returns how many are still too many. */
  private drop(surplus: number, mayGo: (slot: number) => boolean): number {
    const slots = new Map<number, number>();
    let kept = 0;
    for (let slot = 0; slot < this.count; slot += 1) {
      if (surplus > 0 && mayGo(slot)) {
        surplus -= 1;
        continue;
      }
      this.first[kept] = this.first[slot] ?? 0;
      this.second[kept] = this.second[slot] ?? 0;
      this.together[kept] = this.together[slot] ?? 0;
      slots.set(pairKey(this.first[kept] ?? 0, this.second[kept] ?? 0), kept);
      kept += 1;
    }
    this.count = kept;
    this.slots = slots;
    return surplus;
  }
}

/** Two numbers below 2^26 in one, smaller first: a Map key without a string for each pair. */
const PAIR_BASE = 2 ** 26;

function pairKey(a: number, b: number): number {
  return a < b ? a * PAIR_BASE + b : b * PAIR_BASE + a;
}
