/** What the knobs are called and what they do, in one line each. */
import type { KnobName } from "../wire/model";

export interface KnobText {
  label: string;
  /** The value in the folded line, e.g. "temperature 0.8". */
  brief: (value: string) => string;
  help: string;
  step: string;
}

export const KNOB_TEXTS: Readonly<Record<KnobName, KnobText>> = {
  temperature: {
    label: "Temperature",
    brief: (value) => `temperature ${value}`,
    help: "How freely the model picks. 0 always takes the likeliest token.",
    step: "0.1",
  },
  top_k: {
    label: "Top-K",
    brief: (value) => `top-K ${value === "0" ? "off" : value}`,
    help: "Picks among this many likeliest tokens only. 0 keeps all.",
    step: "1",
  },
  top_p: {
    label: "Top-P",
    brief: (value) => `top-P ${value === "1" ? "off" : value}`,
    help: "Picks among the fewest tokens whose probabilities reach this sum. 1 keeps all.",
    step: "0.05",
  },
  repetition_penalty: {
    label: "Repetition penalty",
    brief: (value) => `repetition ${value === "1" ? "free" : value}`,
    help: "Above 1, tokens that already occurred become less likely. 1 changes nothing.",
    step: "0.05",
  },
  max_tokens: {
    label: "Max tokens",
    brief: (value) => `${value} tokens`,
    help: "How many tokens the model may write.",
    step: "1",
  },
  feat_k: {
    label: "Features per token",
    brief: (value) => `${value} features`,
    help: "The strongest features shown at each token, for each source.",
    step: "1",
  },
  act_threshold: {
    label: "Activation threshold",
    brief: (value) => `above ${value}`,
    help: "Features at or below this activation are not shown.",
    step: "0.1",
  },
  seed: {
    label: "Seed",
    brief: (value) => (value === "" ? "new seed" : `seed ${value}`),
    help: "The same seed and settings give the same text. Empty draws a new one each time.",
    step: "1",
  },
};

/** A style of writing: values for the style knobs; those not named get the model's defaults. */
export interface Preset {
  label: string;
  help: string;
  values: Partial<Record<KnobName, string>>;
}

/** The knobs that a preset sets; length, features and seed are left alone. */
export const STYLE_KNOBS: readonly KnobName[] = [
  "temperature",
  "top_k",
  "top_p",
  "repetition_penalty",
];

export const PRESETS: readonly Preset[] = [
  { label: "The model's own", help: "The model's default values.", values: {} },
  {
    label: "Calm",
    help: "Picks likely tokens, with few surprises.",
    values: { temperature: "0.4", top_p: "0.9" },
  },
  {
    label: "Creative",
    help: "Picks unlikely tokens more often, but leaves out the most unlikely ones.",
    values: { temperature: "1.2", top_p: "0.95" },
  },
  {
    label: "No repetition",
    help: "Makes tokens that already occurred less likely.",
    values: { repetition_penalty: "1.3" },
  },
];
