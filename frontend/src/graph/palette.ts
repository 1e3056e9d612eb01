/**
 * One hue per source. The thirteen were found by search: any two are at least 10 apart (CIEDE2000)
 * for full colour vision and without red or green cones, 8 without blue ones;
 * `test/palette.test.ts` measures it. Luminances differ as well, so that neighbours stay apart on a
 * washed-out projector.
 */

export type Rgb = readonly [number, number, number];

const AMBER: Rgb = [255, 178, 74];
const SKY: Rgb = [98, 180, 255];
const GREEN: Rgb = [58, 214, 160];
/** For few sources, the hues that are farthest apart; one is amber, a single warm light. */
const FEW: readonly (readonly Rgb[])[] = [[AMBER], [AMBER], [SKY, AMBER], [SKY, GREEN, AMBER]];
/** More sources than these share hues; height tells them apart then. */
const HUES: readonly Rgb[] = [
  SKY,
  GREEN,
  AMBER,
  [240, 132, 190], // pink
  [248, 75, 78], // red
  [232, 232, 232], // white
  [181, 139, 43], // ochre
  [182, 253, 181], // mint
  [47, 169, 132], // sea green
  [194, 86, 249], // violet
  [232, 77, 168], // magenta
  [140, 228, 250], // ice
  [215, 251, 47], // lime
];

/** The hue of a source, by its place among all sources. */
export function hueOf(place: number, sources: number): Rgb {
  const hues = FEW[sources] ?? HUES;
  return hues[place % hues.length] ?? AMBER;
}

/** The hue of a source among all of them. */
export function hueAmong(sources: readonly string[], source: string): Rgb {
  return hueOf(sources.indexOf(source), sources.length);
}

/** Colours of the theme, by their names in the style sheet. */
type Colour = "ground" | "ink" | "quiet" | "silent" | "silent-later";

/** Asked for once: the browser works them out anew each time. */
const colours = new Map<Colour, string>();

/** A colour of the theme for what a canvas shows, `#rrggbb`. */
export function themed(colour: Colour): string {
  const { documentElement } = document;
  const known =
    colours.get(colour) ?? getComputedStyle(documentElement).getPropertyValue(`--${colour}`).trim();
  colours.set(colour, known);
  return known;
}

/** A `#rrggbb` in parts. */
export function rgbOf(colour: string): Rgb {
  const part = (at: number): number => parseInt(colour.slice(at, at + 2), 16);
  return [part(1), part(3), part(5)];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}
