/** What the page says of the map, in English. */

export const NO_MAP = "The map of all features did not arrive.";

/** Why a map is not shown. */
export function mapRefused(reason: string): string {
  return `The map of all features cannot be read: ${reason}. Places are found in this browser instead.`;
}

/** What is done while there is no map yet. */
export function mapMaking(stage: string, done: number): string {
  return `A map of all features is being made: ${stage}, ${Math.round(100 * done)}%.`;
}

/** What nearness means, and what it does not; `recall` is a share. */
export function nearness(recall: number): string {
  return `Height is the layer. Near is alike by weights: of a feature’s ten most similar, ${(10 * recall).toFixed(1)} are among its ten nearest. Far says nothing.`;
}

export const MAP = {
  title: "The map",
  flat: "Flat",
  flatHelp: "Looks at the map from above, with all storeys folded into one plane",
  alike: "Features like this one",
  alikeHelp: "Names the features of this storey that are nearest to the chosen one on the map",
  provisional: "named after tokens that its features promote, for want of labels",
  silent: "Nothing of it fires at this token.",
  now: "Strongest now",
} as const;

export function districtFacts(features: number): string {
  return `${features.toLocaleString("en")} features`;
}

export function storeyName(layer: number): string {
  return `layer ${layer}`;
}

export const THEME = {
  light: "Light",
  lightHelp: "Light colours, for a bright room",
  dark: "Dark",
  darkHelp: "Dark colours, for a dark hall",
} as const;

export const FOOTPRINT = {
  open: "Footprint",
  help: "Where on the map this text has lit, as a picture, beside an earlier one",
  title: "Footprint of this text",
  means:
    "The map from above, all layers together. The brighter a place, the more strongly and the more often its features fired; each text’s brightest place is full. Warm is this text, cool the other, and where both are the light adds up.",
  over: "Lay over it",
  nothing: "nothing",
  save: "Save picture",
  said: (one: string, other: string | null): string =>
    `Where on the map the text “${one}” has lit${other === null ? "" : `, and the text “${other}”`}`,
} as const;

export function footprintSource(model: string, hash: string): string {
  return `Axon, ${model}, map ${hash}. Place: likeness of the features’ decoder rows. Light: sum of activations, each as a share of its feature’s full strength.`;
}
