/** How much more often than chance two features fire together: the weight of a link. */

/** Pairs kept at most; beyond it the oldest that were seen only once go first. */
const MAX_PAIRS = 20_000;
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

/** Counts co-activations token by token. Features are numbered by their order of appearance. */
export class CoActivation {
  private total = 0;
  private readonly alone: number[] = [];
  private readonly pairs = new Map<number, number>();

  constructor(private readonly maxPairs = MAX_PAIRS) {}

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
        this.alone[a] = (this.alone[a] ?? 0) + 1;
        for (const b of group.slice(i + 1)) this.count(a, b);
        for (const b of next) this.count(a, b);
      });
    });
    if (this.pairs.size > this.maxPairs) this.forget();
  }

  get size(): number {
    return this.pairs.size;
  }

  weight(a: number, b: number): number {
    const together = this.pairs.get(pairKey(a, b)) ?? 0;
    return evidence(together, this.alone[a] ?? 0, this.alone[b] ?? 0, this.total);
  }

  /** The links with the most evidence, strongest first. */
  strongest(limit: number): Link[] {
    const links: Link[] = [];
    for (const [key, together] of this.pairs) {
      const [a, b] = pairOf(key);
      const weight = evidence(together, this.alone[a] ?? 0, this.alone[b] ?? 0, this.total);
      if (weight > 0) links.push({ a, b, together, weight });
    }
    return links.sort((x, y) => y.weight - x.weight).slice(0, limit);
  }

  private count(a: number, b: number): void {
    if (a === b) return;
    const key = pairKey(a, b);
    this.pairs.set(key, (this.pairs.get(key) ?? 0) + 1);
  }

  /** A Map iterates in order of insertion, so the oldest single sightings are met first. */
  private forget(): void {
    const goal = this.maxPairs * 0.8;
    for (const [key, together] of this.pairs) {
      if (this.pairs.size <= goal) return;
      if (together === 1) this.pairs.delete(key);
    }
    for (const key of this.pairs.keys()) {
      if (this.pairs.size <= goal) return;
      this.pairs.delete(key);
    }
  }
}

/** Two numbers below 2^26 in one, smaller first: a Map key without a string for each pair. */
const PAIR_BASE = 2 ** 26;

function pairKey(a: number, b: number): number {
  return a < b ? a * PAIR_BASE + b : b * PAIR_BASE + a;
}

function pairOf(key: number): [number, number] {
  return [Math.floor(key / PAIR_BASE), key % PAIR_BASE];
}
