/** GET /api/model and /api/features: the model, its knobs' ranges, and the facts about a feature. */
import {
  asBoolean,
  asNumber,
  asObject,
  asString,
  type Check,
  listOf,
  objectOf,
  or,
  recordOf,
} from "./check";

const source = objectOf({
  id: asString,
  hook: or(asString, ""),
  layer: asNumber,
  /** How many features the SAE has. */
  width: or(asNumber, 0),
  architecture: or(asString, ""),
  neuronpedia_url: or(asString, null),
});
export type SourceInfo = ReturnType<typeof source>;

/** The names of the knobs as requests carry them. */
export const KNOBS = [
  "temperature",
  "top_k",
  "top_p",
  "repetition_penalty",
  "max_tokens",
  "feat_k",
  "act_threshold",
  "seed",
] as const;
export type KnobName = (typeof KNOBS)[number];

/** Bounds stay text because the seed's do not fit a JavaScript number. */
const bound: Check<string | null> = (value) =>
  typeof value === "number" || typeof value === "string" ? String(value) : null;

const range = objectOf({ min: bound, max: bound, default: bound });
export type KnobRange = ReturnType<typeof range>;

/** A model that can be asked for by name. */
const choice = objectOf({ model: asString, ready: or(asBoolean, true) });

export interface ModelInfo {
  model: string;
  /** All that this server has; older servers do not list them. */
  models: ReturnType<typeof choice>[];
  sources: SourceInfo[];
  params: Partial<Record<KnobName, KnobRange>>;
  maxPromptCharacters: number | null;
  /** The most alternatives that a token may carry, 0 for none. */
  maxAlternatives: number;
  /** Whether it has a chat template, so that a request may be a conversation. */
  chat: boolean;
  /** Whether a request may name its pace. */
  paced: boolean;
  /** The most texts that a run may write side by side. */
  maxBranches: number;
  /** The most removals that an explanation may try, 0 for none. */
  maxRemovals: number;
  /** The map of its features: without hash while it is made; null where there is none. */
  map: { hash: string | null } | null;
}

/** A token, and what one unit of the feature's activation adds to its logit. */
const effect = objectOf({ token: asString, logit: asNumber });
export type TokenEffect = ReturnType<typeof effect>;

const factFields = {
  label: or(asString, null),
  /** Share of tokens on which the feature fires. */
  density: or(asNumber, null),
  max_activation: or(asNumber, null),
};
const featureFacts = objectOf(factFields);
/** What is known of a feature without a look at its weights. */
export type FeatureFacts = ReturnType<typeof featureFacts>;

const kin = objectOf({
  source: asString,
  index: asNumber,
  label: or(asString, null),
  cosine: asNumber,
  /** Whether this one is also the most like that one, in its own source. */
  mutual: asBoolean,
});
export type Kin = ReturnType<typeof kin>;

/**
 * The tokens of a piece of text, a feature's activation at each, and where the text is from:
 * "recipe", "neuronpedia" or "room".
 */
const example = objectOf({
  tokens: listOf(asString),
  activations: listOf(asNumber),
  origin: or(asString, ""),
});
export type FeatureExample = ReturnType<typeof example>;

const featureInfo = objectOf({
  ...factFields,
  explainer: or(asString, null),
  /** The explanation's score, 0 to 1. */
  score: or(asNumber, null),
  neuronpedia_url: or(asString, null),
  /** Strongest first; null if the model's server cannot tell, and `weights_error` says why. */
  promoted: or(listOf(effect), null),
  suppressed: or(listOf(effect), null),
  /** Others of the same SAE with a similar decoder vector; `cosine` is 1 at most. */
  neighbors: or(listOf(objectOf({ index: asNumber, cosine: asNumber })), null),
  /** Of each other source, the feature that is most like this one; null as above. */
  kin: or(listOf(kin), null),
  /** Texts that activate it most, the strongest first; none where they are not known. */
  examples: or(listOf(example), null),
  weights_error: or(asString, null),
});
export type FeatureInfo = ReturnType<typeof featureInfo>;

export function parseModel(value: unknown): ModelInfo {
  const model = asObject(value, "model");
  const params = recordOf(range)(model.params, "params");
  const limits = asObject(model.limits ?? {}, "limits");
  const info = asObject(model.info ?? {}, "info");
  return {
    model: asString(model.model, "model.model"),
    models: listOf(choice)(model.models ?? [], "model.models"),
    sources: listOf(source)(model.sources, "model.sources"),
    params: Object.fromEntries(Object.entries(params).filter(([name]) => isKnob(name))),
    maxPromptCharacters: or(asNumber, null)(limits.max_prompt_characters, "limits"),
    maxAlternatives: Number(params.alternatives?.max ?? 0),
    chat: info.chat === true,
    paced: params.pace !== undefined,
    maxBranches: Math.min(
      or(asNumber, 1)(limits.branches, "limits.branches"),
      or(asNumber, Infinity)(limits.slots, "limits.slots"),
    ),
    maxRemovals: or(asNumber, 0)(limits.removals, "limits.removals"),
    map: or(objectOf({ hash: or(asString, null) }), null)(model.map, "model.map"),
  };
}

export function parseFeatureInfo(value: unknown): FeatureInfo {
  return featureInfo(value, "feature");
}

/** `{"features": {"17": {...}}}`, by index. */
export function parseFeatureFacts(value: unknown): Map<number, FeatureFacts> {
  const { features } = asObject(value, "facts");
  const found = recordOf(featureFacts)(features, "features");
  return new Map(Object.entries(found).map(([index, one]) => [Number(index), one]));
}

/** A feature found by its label, wherever in the model it is. */
const labelled = objectOf({ source: asString, index: asNumber, label: asString });
export type Labelled = ReturnType<typeof labelled>;

/** `{"features": [{...}]}`, the best fit first. */
export function parseLabelled(value: unknown): Labelled[] {
  return listOf(labelled)(asObject(value, "found").features, "features");
}

export function isKnob(name: string): name is KnobName {
  return (KNOBS as readonly string[]).includes(name);
}
