/** Two texts compared: the word where they part, and the features that fired more or less. */
import type { Feature, FeatureKey } from "./feature";
import type { Log, RunSettings, Token } from "./log";

/** What is kept of a text to compare another with it. */
export interface Account {
  /** The same for accounts of one text. */
  of: number;
  settings: RunSettings | null;
  /** The branch's name, where its run has several. */
  branch: string | null;
  tokens: readonly string[];
  /** Tokens that have features. */
  told: number;
  fired: ReadonlyMap<FeatureKey, Fired>;
}

interface Fired {
  feature: Feature;
  /** Over all tokens: the sum of its activations, and the highest. */
  sum: number;
  most: number;
}

const numbers = new WeakMap<Log, number>();
let last = 0;

export function numberOf(log: Log): number {
  const known = numbers.get(log) ?? (last += 1);
  numbers.set(log, known);
  return known;
}

/** The account of a branch's first tokens; `tokens` are those of them that count. */
export function accountOf(
  settings: RunSettings | null,
  log: Log,
  tokens: readonly Token[] = log.tokens,
): Account {
  const fired = new Map<FeatureKey, Fired>();
  for (const token of tokens) {
    token.eachActive((feature, activation) => {
      const known = fired.get(feature.key);
      if (known === undefined)
        fired.set(feature.key, { feature, sum: activation, most: activation });
      else {
        known.sum += activation;
        known.most = Math.max(known.most, activation);
      }
    });
  }
  const branch = (settings?.branches.length ?? 0) > 1 ? (log.plan?.name ?? null) : null;
  const texts = tokens.map(({ text }) => text);
  const told = tokens.filter(({ silent }) => !silent).length;
  return { of: numberOf(log), settings, branch, tokens: texts, told, fired };
}

export interface Change {
  feature: Feature;
  /** Mean activation a token in the other text and in this one, as shares of full strength, 0 to 1. */
  before: number;
  after: number;
}

export interface Comparison {
  /** Index of the first token that differs, or that one text alone has; -1 if they are the same. */
  parting: number;
  /** The largest changes first. */
  rose: Change[];
  fell: Change[];
  /** Whether both texts come from a source in common; there are no changes otherwise. */
  comparable: boolean;
}

/** What `one` has that `other` has not. Features of sources that only one has are left out. */
export function compared(one: Account, other: Account): Comparison {
  const shared = new Set(sourcesOf(one).filter((source) => sourcesOf(other).includes(source)));
  const changes = [...new Set([...one.fired.keys(), ...other.fired.keys()])].flatMap((key) => {
    const [now, then] = [one.fired.get(key), other.fired.get(key)];
    const feature = (now ?? then)?.feature;
    if (!feature || !shared.has(feature.source)) return [];
    const full = Math.max(
      now?.feature.knownMax ?? 0,
      then?.feature.knownMax ?? 0,
      now?.most ?? 0,
      then?.most ?? 0,
    );
    const mean = (fired: Fired | undefined, { told }: Account): number =>
      (fired?.sum ?? 0) / Math.max(1, told) / full;
    return { feature, before: mean(then, other), after: mean(now, one) };
  });
  const by = ({ after, before }: Change): number => after - before;
  changes.sort((a, b) => Math.abs(by(b)) - Math.abs(by(a)));
  return {
    parting: partingOf(one.tokens, other.tokens),
    rose: changes.filter((change) => by(change) > 0),
    fell: changes.filter((change) => by(change) < 0),
    comparable: shared.size > 0,
  };
}

function sourcesOf({ settings, fired }: Account): readonly string[] {
  return settings?.sources ?? [...fired.values()].map(({ feature }) => feature.source);
}

function partingOf(one: readonly string[], other: readonly string[]): number {
  const length = Math.max(one.length, other.length);
  for (let i = 0; i < length; i += 1) if (one[i] !== other[i]) return i;
  return -1;
}
