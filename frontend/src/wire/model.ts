/** GET /api/model and /api/features: the model, its knobs' ranges, and the facts about a feature. */
import { asArray, asBoolean, asNumber, asObject, asRecord, asString, optional } from "./check";

export interface SourceInfo {
  id: string;
  hook: string;
  layer: number;
  /** How many features the SAE has. */
  width: number;
  architecture: string;
  neuronpedia_url: string | null;
}

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
export interface KnobRange {
  integer: boolean;
  min: string | null;
  max: string | null;
  default: string | null;
}

/** A model that can be asked for by name. */
export interface ModelChoice {
  model: string;
  ready: boolean;
}

export interface ModelInfo {
  model: string;
  /** All that this server has; older servers do not list them. */
  models: ModelChoice[];
  sources: SourceInfo[];
  params: Partial<Record<KnobName, KnobRange>>;
  maxPromptCharacters: number | null;
  /** The most alternatives that a token may carry, 0 for none. */
  maxAlternatives: number;
  /** Whether a request may name its pace. */
  paced: boolean;
  /** The map of its features: without hash while it is made; null where there is none. */
  map: { hash: string | null } | null;
}

/** A token, and what one unit of the feature's activation adds to its logit. */
export interface TokenEffect {
  token: string;
  logit: number;
}

/** Another feature of the same SAE with a similar decoder vector; `cosine` is 1 at most. */
export interface Alike {
  index: number;
  cosine: number;
}

export interface FeatureInfo {
  label: string | null;
  explainer: string | null;
  /** The explanation's score, 0 to 1. */
  score: number | null;
  /** Share of tokens on which the feature fires. */
  density: number | null;
  max_activation: number | null;
  neuronpedia_url: string | null;
  /** Strongest first; null if the model's server cannot tell, and `weights_error` says why. */
  promoted: TokenEffect[] | null;
  suppressed: TokenEffect[] | null;
  neighbors: Alike[] | null;
  weights_error: string | null;
}

/** What is known of a feature without a look at its weights. */
export type FeatureFacts = Pick<FeatureInfo, "label" | "density" | "max_activation">;

export function parseModel(value: unknown): ModelInfo {
  const model = asObject(value, "model");
  const params = asRecord(model.params, "params", parseRange);
  const limits = asObject(model.limits ?? {}, "limits");
  return {
    model: asString(model.model, "model.model"),
    models: asArray(model.models ?? [], "model.models").map(parseChoice),
    sources: asArray(model.sources, "model.sources").map(parseSource),
    params: Object.fromEntries(Object.entries(params).filter(([name]) => isKnob(name))),
    maxPromptCharacters: optional(limits.max_prompt_characters, "limits", asNumber),
    maxAlternatives: Number(params.alternatives?.max ?? 0),
    paced: params.pace !== undefined,
    map: optional(model.map, "model.map", (map, what) => ({
      hash: optional(asObject(map, what).hash, `${what}.hash`, asString),
    })),
  };
}

export function parseFeatureInfo(value: unknown): FeatureInfo {
  const f = asObject(value, "feature");
  return {
    label: optional(f.label, "feature.label", asString),
    explainer: optional(f.explainer, "feature.explainer", asString),
    score: optional(f.score, "feature.score", asNumber),
    density: optional(f.density, "feature.density", asNumber),
    max_activation: optional(f.max_activation, "feature.max_activation", asNumber),
    neuronpedia_url: optional(f.neuronpedia_url, "feature.neuronpedia_url", asString),
    promoted: optional(f.promoted, "feature.promoted", asEffects),
    suppressed: optional(f.suppressed, "feature.suppressed", asEffects),
    neighbors: optional(f.neighbors, "feature.neighbors", asAlike),
    weights_error: optional(f.weights_error, "feature.weights_error", asString),
  };
}

function asEffects(value: unknown, what: string): TokenEffect[] {
  return asArray(value, what).map((item) => {
    const effect = asObject(item, what);
    return {
      token: asString(effect.token, `${what}.token`),
      logit: asNumber(effect.logit, `${what}.logit`),
    };
  });
}

function asAlike(value: unknown, what: string): Alike[] {
  return asArray(value, what).map((item) => {
    const alike = asObject(item, what);
    return {
      index: asNumber(alike.index, `${what}.index`),
      cosine: asNumber(alike.cosine, `${what}.cosine`),
    };
  });
}

/** `{"features": {"17": {...}}}`, by index. */
export function parseFeatureFacts(value: unknown): Map<number, FeatureFacts> {
  const found = asRecord(asObject(value, "facts").features, "features", (one, what) => {
    const facts = asObject(one, what);
    return {
      label: optional(facts.label, `${what}.label`, asString),
      density: optional(facts.density, `${what}.density`, asNumber),
      max_activation: optional(facts.max_activation, `${what}.max_activation`, asNumber),
    };
  });
  return new Map(Object.entries(found).map(([index, facts]) => [Number(index), facts]));
}

/** A feature found by its label, wherever in the model it is. */
export interface Labelled {
  source: string;
  index: number;
  label: string;
}

/** `{"features": [{...}]}`, the best fit first. */
export function parseLabelled(value: unknown): Labelled[] {
  return asArray(asObject(value, "found").features, "features").map((item) => {
    const found = asObject(item, "feature");
    return {
      source: asString(found.source, "feature.source"),
      index: asNumber(found.index, "feature.index"),
      label: asString(found.label, "feature.label"),
    };
  });
}

export function isKnob(name: string): name is KnobName {
  return (KNOBS as readonly string[]).includes(name);
}

function parseChoice(value: unknown): ModelChoice {
  const choice = asObject(value, "models");
  return {
    model: asString(choice.model, "models.model"),
    ready: optional(choice.ready, "models.ready", asBoolean) ?? true,
  };
}

function parseSource(value: unknown): SourceInfo {
  const s = asObject(value, "source");
  return {
    id: asString(s.id, "source.id"),
    hook: optional(s.hook, "source.hook", asString) ?? "",
    layer: asNumber(s.layer, "source.layer"),
    width: optional(s.width, "source.width", asNumber) ?? 0,
    architecture: optional(s.architecture, "source.architecture", asString) ?? "",
    neuronpedia_url: optional(s.neuronpedia_url, "source.neuronpedia_url", asString),
  };
}

function parseRange(value: unknown, what: string): KnobRange {
  const range = asObject(value, what);
  return {
    integer: range.type === "integer",
    min: bound(range.min),
    max: bound(range.max),
    default: bound(range.default),
  };
}

function bound(value: unknown): string | null {
  return typeof value === "number" || typeof value === "string" ? String(value) : null;
}
