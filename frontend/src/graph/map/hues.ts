/** The map's soft hues: a large district has one, by the direction from the middle where it lies. */
import type { FeatureMap } from "../../state/map";
import { NO_DISTRICT, SPAN } from "../../wire/map";
import { type Rgb, softHue } from "../palette";

const GREY: Rgb = [150, 158, 170];

export class Hues {
  /** Red, green, blue by small district; the last is for features in none. */
  private readonly byDistrict: Uint8Array;

  constructor(
    private readonly map: FeatureMap,
    readonly day: boolean,
  ) {
    const { districts } = map.file;
    this.byDistrict = new Uint8Array(3 * (districts.length + 1));
    districts.forEach((district, i) => {
      const large = district.level === 0 ? district : districts[district.parent];
      const { x, y } = large ?? district;
      const turns = Math.atan2(y / SPAN - 0.5, x / SPAN - 0.5) / (2 * Math.PI);
      this.byDistrict.set(softHue(turns, day), 3 * i);
    });
    this.byDistrict.set(GREY, 3 * districts.length);
  }

  ofDistrict(index: number): Rgb {
    const [r = 0, g = 0, b = 0] = this.byDistrict.subarray(3 * index, 3 * index + 3);
    return [r, g, b];
  }

  /** Calls for each feature from `first` on, with its colour. */
  each(
    first: number,
    width: number,
    call: (number: number, r: number, g: number, b: number) => void,
  ): void {
    const { district, districts } = this.map.file;
    const { byDistrict } = this;
    for (let i = first; i < first + width; i += 1) {
      const small = district[i] ?? NO_DISTRICT;
      const at = 3 * (small === NO_DISTRICT ? districts.length : small);
      call(i, byDistrict[at] ?? 0, byDistrict[at + 1] ?? 0, byDistrict[at + 2] ?? 0);
    }
  }
}
