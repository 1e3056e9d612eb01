/** Where on the map a text has lit: how much of its light each feature had, and each district. */
import type { FeatureMap } from "./map";
import type { Session } from "./session";

export interface Footprint {
  /** The prompt of its run. */
  title: string;
  /** Hash of the map that it is about. */
  map: string;
  tokens: number;
  /** By number on the map: the sum over tokens of the shares of full strength. */
  heat: ReadonlyMap<number, number>;
  /** By index of a large district: its share of all light, 0 to 1. */
  shares: ReadonlyMap<number, number>;
}

/** The footprint of the text on show, as far as it is shown; null without features. */
export function footprintOf(session: Session, map: FeatureMap): Footprint | null {
  const heat = new Map<number, number>();
  const districts = new Map<number, number>();
  let all = 0;
  for (const token of session.tokens) {
    token.eachActive((feature, activation) => {
      const number = map.numberOf(feature.source, feature.id);
      if (number < 0) return;
      const strength = session.strengthOf(feature, activation);
      heat.set(number, (heat.get(number) ?? 0) + strength);
      all += strength;
      const large = map.districtsOf(number)?.large;
      if (large !== undefined) districts.set(large, (districts.get(large) ?? 0) + strength);
    });
  }
  if (all === 0) return null;
  const shares = new Map([...districts].map(([large, sum]) => [large, sum / all]));
  const title = session.run?.prompt ?? "";
  return { title, map: map.file.hash, tokens: session.tokens.length, heat, shares };
}

/** Large districts by the share that they have in either text, the largest first. */
export function ranked(one: Footprint, other: Footprint | null): number[] {
  const share = (district: number): number =>
    Math.max(one.shares.get(district) ?? 0, other?.shares.get(district) ?? 0);
  return [...new Set([...one.shares.keys(), ...(other?.shares.keys() ?? [])])].sort(
    (a, b) => share(b) - share(a),
  );
}
