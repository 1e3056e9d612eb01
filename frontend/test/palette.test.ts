import {
  differenceCiede2000,
  filterDeficiencyDeuter,
  filterDeficiencyProt,
  filterDeficiencyTrit,
  type Rgb as Colour,
  wcagContrast,
} from "culori";
import { describe, expect, it } from "vitest";
import { hueOf, type Rgb } from "../src/graph/palette";

const GROUND = "#0a0c10";
/** A difference of 1 is just noticeable side by side; the nodes are not side by side. */
const APART = 10;
const APART_WITHOUT_BLUE = 8;

const difference = differenceCiede2000();

function colour([r, g, b]: Rgb): Colour {
  return { mode: "rgb", r: r / 255, g: g / 255, b: b / 255 };
}

function palette(sources: number): Colour[] {
  return Array.from({ length: sources }, (_, place) => colour(hueOf(place, sources)));
}

/** The difference of the two nearest colours, as seen through `see`. */
function nearest(colours: readonly Colour[], see: (colour: Colour) => Colour): number {
  const seen = colours.map(see);
  const pairs = seen.flatMap((a, i) => seen.slice(i + 1).map((b) => difference(a, b)));
  return Math.min(...pairs);
}

describe.each([2, 3, 4, 5, 8, 13])("the hues of %i sources", (sources) => {
  it.each([
    ["with full colour vision", (c: Colour) => c, APART],
    ["without green cones", (c: Colour) => filterDeficiencyDeuter(1)(c), APART],
    ["without red cones", (c: Colour) => filterDeficiencyProt(1)(c), APART],
    ["without blue cones", (c: Colour) => filterDeficiencyTrit(1)(c), APART_WITHOUT_BLUE],
  ])("are told apart %s", (_, see, least) => {
    expect(nearest(palette(sources), see)).toBeGreaterThan(least);
  });

  it("stand out from the background", () => {
    const contrasts = palette(sources).map((hue) => wcagContrast(hue, GROUND));
    expect(Math.min(...contrasts)).toBeGreaterThan(4.5);
  });
});
