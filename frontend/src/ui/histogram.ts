/** How often a feature fires how strongly, in the text on show. */
import { css, type Rgb } from "../graph/palette";
import { HISTOGRAM } from "../words";
import { h, setText, short } from "./dom";
import { sayDensity } from "./feature-facts";
import { percent } from "./tokens";

const BINS = 16;

export interface Spread {
  /** The activation at the right end: the highest known. */
  most: number;
  /** Tokens of this text that have features. */
  told: number;
  /** Share of all text on which it fires, where that is known. */
  density: number | null;
  hue: Rgb;
}

/** How many activations, each above 0 and at most `most`, are in each of equal bins. */
export function binned(activations: readonly number[], most: number, bins = BINS): number[] {
  const counts = Array.from({ length: bins }, () => 0);
  for (const activation of activations) {
    const bin = Math.min(bins - 1, Math.floor((bins * activation) / most));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

export class Histogram {
  private readonly bars = Array.from({ length: BINS }, () => h("i", { "data-tip": "" }, h("b")));
  private readonly chart = h("div", { class: "histogram", role: "img" }, ...this.bars);
  private readonly least = h("span", {}, "0");
  private readonly most = h("span");
  private readonly words = h("p", { class: "quiet" });
  readonly element = h(
    "div",
    { class: "spread" },
    h("h3", {}, HISTOGRAM.title),
    this.chart,
    h("div", { class: "ends quiet", "aria-hidden": "true" }, this.least, this.most),
    this.words,
  );
  private drawn = "";

  /** `activations` are those of the tokens at which it fires. */
  show(activations: readonly number[], { most, told, density, hue }: Spread): void {
    const counts = binned(activations, most);
    const key = [...counts, most, told, density, ...hue].join();
    if (key === this.drawn) return;
    this.drawn = key;
    const highest = Math.max(1, ...counts);
    for (const [i, bar] of this.bars.entries()) {
      const count = counts[i] ?? 0;
      const [from, to] = [(i * most) / BINS, ((i + 1) * most) / BINS];
      bar.dataset.tip = HISTOGRAM.bar(short(from), short(to), count);
      const line = bar.firstElementChild as HTMLElement;
      line.style.height = `${(100 * count) / highest}%`;
      line.style.background = css(hue);
    }
    setText(this.most, short(most));
    const share = told === 0 ? "0%" : percent(activations.length / told);
    const words = HISTOGRAM.said(
      activations.length,
      told,
      share,
      density === null ? null : sayDensity(density),
    );
    setText(this.words, words);
    this.chart.setAttribute("aria-label", `${HISTOGRAM.title}: ${words}`);
    this.element.hidden = activations.length === 0;
  }
}
