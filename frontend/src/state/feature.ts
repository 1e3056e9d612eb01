/** A feature as the page knows it, and the table of all that a stream of frames has named. */
import type { WireFeature } from "../wire/types";
import { SAY } from "../words";
import { provisionalName } from "../words/stage";
import { shownLabel } from "./own-labels";

export type FeatureKey = string;

export function featureKey(source: string, id: number): FeatureKey {
  return `${source}/${id}`;
}

/** The source and the index that a key is made of. */
export function cutKey(key: FeatureKey): [source: string, id: number] {
  const cut = key.lastIndexOf("/");
  return [key.slice(0, cut), Number(key.slice(cut + 1))];
}

export interface Feature {
  readonly key: FeatureKey;
  readonly id: number;
  readonly source: string;
  readonly layer: number;
  /** Order of first appearance, from 0: its number in logs, graph and pair counts; -1 if none. */
  readonly index: number;
  label: string | null;
  /** Largest activation at the tokens shown so far, of all runs, where no edit changed it. */
  peak: number;
  /** Tokens shown so far at which it fired by itself, of all runs. */
  fired: number;
  /** Texts of the tokens at which it fired most strongly so far, the strongest first. */
  where: readonly string[];
  /** The tokens that its weights promote most, the first ones; none as long as nobody has asked. */
  promoted: readonly string[];
  /** How well its label predicts where it fires, 1 at best; null if nobody has said. */
  score: number | null;
  /** Maximum over the SAE's training text, and share of that text on which it fires. */
  knownMax: number | null;
  density: number | null;
}

/** A feature that has not fired in this room: it has no number here. */
export function unseenFeature(
  source: string,
  id: number,
  layer: number,
  index = -1,
  label: string | null = null,
): Feature {
  const key = featureKey(source, id);
  const facts = {
    label, peak: 0, fired: 0, where: [], promoted: [], score: null, knownMax: null, density: null,
  }; // prettier-ignore
  return { key, id, source, layer, index, ...facts };
}

/** A feature's name as people read it; without a label, what it promotes and where it fired. */
export function nameOf({ key, label, id, where, promoted }: Feature): string {
  const known = shownLabel(key, label);
  return known ?? (provisionalName(where, promoted) || SAY.feature(id));
}

/** The key of a thought: the label, which several layers may share, else the feature's own key. */
export function thoughtOf({ label, key }: Feature): string {
  return shownLabel(key, label) ?? key;
}

export class FeatureTable {
  /** In order of first appearance: `all[i].index === i`. */
  readonly all: Feature[] = [];
  private readonly byKey = new Map<FeatureKey, Feature>();

  get(key: FeatureKey): Feature | undefined {
    return this.byKey.get(key);
  }

  /** The feature that a frame names, with what the frame says of it. */
  meet({ source, id, layer, label, max, score, density }: WireFeature): Feature {
    const key = featureKey(source, id);
    let feature = this.byKey.get(key);
    if (feature === undefined) {
      feature = unseenFeature(source, id, layer, this.all.length);
      this.all.push(feature);
      this.byKey.set(key, feature);
    }
    feature.label = label ?? feature.label;
    feature.knownMax = max ?? feature.knownMax;
    feature.score = score ?? feature.score;
    feature.density = density ?? feature.density;
    return feature;
  }
}
