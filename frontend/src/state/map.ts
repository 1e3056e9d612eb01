/** The map of all features of a model: the same places for everybody, read off the weights. */
import {
  type District,
  type MapFile,
  type MapSource,
  NO_DISTRICT,
  NO_KIN,
  SPAN,
} from "../wire/map";
import { featureKey, type FeatureKey } from "./feature";

/** Width of the map in world units, height between two storeys, and the most of all together. */
export const WIDTH = 320;
const STOREY = 54;
const TALLEST = 380;

/** What the page knows of the map of its model. */
export type Mapping =
  | { state: "none"; reason: string }
  /** `done` from 0 to 1; `stage` says in the server's words what is being done. */
  | { state: "making"; stage: string; done: number }
  | { state: "ready"; map: FeatureMap };

export class FeatureMap {
  /** Number of storeys, and the height between two. */
  readonly storeys: number;
  readonly rise: number;
  private readonly bySource: ReadonlyMap<string, MapSource>;
  private lower: Uint32Array | null = null;

  constructor(readonly file: MapFile) {
    this.bySource = new Map(file.sources.map((source) => [source.id, source]));
    this.storeys = 1 + Math.max(0, ...file.sources.map(({ storey }) => storey));
    this.rise = Math.min(STOREY, TALLEST / Math.max(1, this.storeys - 1));
  }

  get size(): number {
    return this.file.x.length;
  }

  /** Whether all these sources are on the map. */
  covers(sources: readonly string[]): boolean {
    return sources.length > 0 && sources.every((id) => this.bySource.has(id));
  }

  /** A feature's number on the map; -1 if it is not there. */
  numberOf(source: string, id: number): number {
    const found = this.bySource.get(source);
    return found && id < found.width ? found.first + id : -1;
  }

  sourceOf(number: number): MapSource | undefined {
    return this.file.sources.findLast(({ first }) => first <= number);
  }

  keyOf(number: number): FeatureKey {
    const { id, first } = this.sourceOf(number) ?? { id: "", first: 0 };
    return featureKey(id, number - first);
  }

  /** Height of a storey in world units; the middle of all is 0. */
  levelOf(storey: number): number {
    return (storey - (this.storeys - 1) / 2) * this.rise;
  }

  /** Where a feature is in the world: x, height, z. */
  placeOf(number: number): [x: number, y: number, z: number] {
    const { x, y } = this.file;
    const level = this.levelOf(this.sourceOf(number)?.storey ?? 0);
    return [toWorld(x[number] ?? 0), level, toWorld(y[number] ?? 0)];
  }

  /** The small district of a feature, and the large one around it. */
  districtsOf(number: number): { small: number; large: number } | null {
    const small = this.file.district[number] ?? NO_DISTRICT;
    const found = this.file.districts[small];
    return found ? { small, large: found.level === 0 ? small : found.parent } : null;
  }

  /** Its kin one storey higher and lower, each -1 for none. */
  kinOf(number: number): { above: number; below: number } {
    this.lower ??= inverse(this.file.kin);
    const [above = NO_KIN, below = NO_KIN] = [this.file.kin[number], this.lower[number]];
    return { above: above === NO_KIN ? -1 : above, below: below === NO_KIN ? -1 : below };
  }

  /** The feature with all its kin through the storeys, the lowest first. */
  columnOf(number: number): number[] {
    const column = [number];
    for (let at = this.kinOf(number).below; at >= 0; at = this.kinOf(at).below) column.unshift(at);
    for (let at = this.kinOf(number).above; at >= 0; at = this.kinOf(at).above) column.push(at);
    return column;
  }

  /** The same for all features of a column; null for one without kin. */
  columnKey(number: number): string | null {
    let at = number;
    for (let below = number; below >= 0; below = this.kinOf(at).below) at = below;
    return at === number && this.kinOf(at).above < 0 ? null : `column ${at}`;
  }

  /** The features of its storey that are nearest to a feature, the nearest first. */
  nearest(number: number, count: number): number[] {
    const source = this.sourceOf(number);
    if (!source) return [];
    const { x, y } = this.file;
    const [x0, y0] = [x[number] ?? 0, y[number] ?? 0];
    const found: { other: number; far: number }[] = [];
    for (let other = source.first; other < source.first + source.width; other += 1) {
      const far = ((x[other] ?? 0) - x0) ** 2 + ((y[other] ?? 0) - y0) ** 2;
      if (other === number || (found.length === count && far >= (found.at(-1)?.far ?? 0))) continue;
      if (found.length === count) found.pop();
      const place = found.findIndex((one) => far < one.far);
      found.splice(place < 0 ? found.length : place, 0, { other, far });
    }
    return found.map(({ other }) => other);
  }

  /** Mean over its features of what of their ten most similar is among the ten nearest, 0 to 1. */
  get recall(): number {
    const { sources } = this.file;
    const sum = sources.reduce((all, { recall, width }) => all + recall * width, 0);
    return this.size === 0 ? 0 : sum / this.size;
  }

  /** A district's middle and radius in world units. */
  siteOf({ x, y, radius }: District): { x: number; z: number; radius: number } {
    return { x: toWorld(x), z: toWorld(y), radius: (radius / SPAN) * WIDTH };
  }
}

function toWorld(coordinate: number): number {
  return (coordinate / SPAN - 0.5) * WIDTH;
}

function inverse(kin: Uint32Array): Uint32Array {
  const lower = new Uint32Array(kin.length).fill(NO_KIN);
  kin.forEach((above, below) => {
    if (above !== NO_KIN) lower[above] = below;
  });
  return lower;
}
