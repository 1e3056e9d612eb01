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
  flat: "Flat",
  flatHelp: "Looks at the map from above, with all storeys folded into one plane",
  alike: "Features like this one",
  alikeHelp: "Names the features of this storey that are nearest to the chosen one on the map",
  footprint: "Footprint",
  footprintHelp: "Where on the map this text has lit, as a picture; beside another text's",
  overview: "Small map: click to go there",
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
