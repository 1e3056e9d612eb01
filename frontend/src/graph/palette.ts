import {
  AddEquation,
  type BlendingDstFactor,
  CustomBlending,
  OneFactor,
  OneMinusSrcAlphaFactor,
  OneMinusSrcColorFactor,
} from "three";

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

/** The theme has changed: its colours are asked for again. */
export function forgetTheme(): void {
  colours.clear();
}

/** A `#rrggbb` in parts. */
export function rgbOf(colour: string): Rgb {
  const part = (at: number): number => parseInt(colour.slice(at, at + 2), 16);
  return [part(1), part(3), part(5)];
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** Whether the ground is light: what lies on it takes light away, instead of adding it. */
export function isDay(): boolean {
  const [r, g, b] = rgbOf(themed("ground"));
  return 0.3 * r + 0.6 * g + 0.1 * b > 128;
}

/**
 * How colours that come multiplied by their cover are put on the ground. On a dark one light adds up
 * towards white and never clips to a flat blot ("screen").
 */
export function blending(day: boolean, blendDst: BlendingDstFactor = OneMinusSrcColorFactor) {
  return {
    depthTest: false,
    depthWrite: false,
    transparent: true,
    blending: CustomBlending,
    blendEquation: AddEquation,
    blendSrc: OneFactor,
    blendDst: day ? OneMinusSrcAlphaFactor : blendDst,
  } as const;
}

/** Lightness and chroma of the map's hues: soft, so that what fires stands out. */
const SOFT = { night: [0.78, 0.085], day: [0.56, 0.1] } as const;

/** The soft hue of a direction from the map's middle, in turns: neighbours are alike. */
export function softHue(turns: number, day: boolean): Rgb {
  const [lightness, chroma] = SOFT[day ? "day" : "night"];
  return fromOklch(lightness, chroma, 2 * Math.PI * turns);
}

/** The sRGB colour of an OKLCH one (https://bottosson.github.io/posts/oklab). */
function fromOklch(lightness: number, chroma: number, angle: number): Rgb {
  const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const part = (linear: number): number => {
    const c = Math.min(1, Math.max(0, linear));
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  };
  return [
    part(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    part(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    part(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}
