/**
 * One hue a source, after Okabe and Ito's colour-blind-safe set, lightened for a dark ground. The
 * luminances differ as well, so that neighbours stay apart on a washed-out projector.
 */
export type Rgb = readonly [number, number, number];

const AMBER: Rgb = [255, 178, 74];
const SKY: Rgb = [98, 180, 255];
const GREEN: Rgb = [58, 214, 160];
/** With few sources, those hues that are farthest apart; one is amber, a single warm light. */
const FEW: readonly (readonly Rgb[])[] = [[AMBER], [AMBER], [SKY, AMBER], [SKY, GREEN, AMBER]];
const HUES: readonly Rgb[] = [
  SKY,
  GREEN,
  AMBER,
  [240, 132, 190], // reddish purple
  [245, 233, 96], // yellow
  [255, 120, 72], // vermillion
  [140, 140, 255], // blue
  [200, 208, 218], // grey
];

/** The hue of a source by its place among all. */
export function hueOf(place: number, sources: number): Rgb {
  const hues = FEW[sources] ?? HUES;
  return hues[place % hues.length] ?? AMBER;
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}
