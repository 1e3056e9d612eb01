/** A list of features with their bars: the strongest of a token, or a feature's neighbours. */
import { css, hueOf } from "../graph/palette";
import { nameOf } from "../session/query";
import type { Feature } from "../session/state";
import type { Store } from "../session/store";
import { h } from "./dom";
import { makeTabStop, roving } from "./roving";

export interface Row {
  feature: Feature;
  /** Features of other sources with the same label: their dots stand beside the first. */
  echoes: Feature[];
  /** Length of the bar, 0 to 1. */
  share: number;
  /** The number at the end of the row, and what it means. */
  figure: string;
  title: string;
}

const MOST_DOTS = 4;

export class FeatureList {
  private drawn = "";

  constructor(
    readonly element: HTMLElement,
    private readonly store: Store,
  ) {
    roving(element, ({ dataset }) => {
      if (dataset.key !== undefined) store.choose(dataset.key);
    });
  }

  update(rows: readonly Row[]): void {
    const chosen = this.store.chosen?.key;
    // A new element under the finger would lose focus and hover: draw only what changed.
    const signature = JSON.stringify([
      chosen,
      rows.map((row) => [row.feature.key, row.feature.label, row.figure, row.echoes.length]),
    ]);
    if (signature === this.drawn) return;
    this.drawn = signature;
    const focused = document.activeElement;
    const kept =
      focused instanceof HTMLElement && this.element.contains(focused)
        ? focused.dataset.key
        : undefined;
    const options = rows.map((row) => this.option(row, row.feature.key === chosen));
    this.element.replaceChildren(...options);
    const stop = options.find((option) => option.dataset.key === kept);
    makeTabStop(this.element, stop ?? options[0]);
    stop?.focus({ preventScroll: true });
  }

  private option(row: Row, chosen: boolean): HTMLElement {
    const { feature, echoes } = row;
    const attributes = {
      role: "option",
      class: feature.label === null ? "row nameless" : "row",
      tabindex: "-1",
      "aria-selected": String(chosen),
      "data-key": feature.key,
      title: row.title,
    };
    return h(
      "div",
      attributes,
      h("span", { class: "dots" }, ...this.dots([feature, ...echoes])),
      h("span", { class: "name" }, nameOf(feature)),
      h("span", { class: "bar" }, this.bar(row)),
      h("span", { class: "figure" }, row.figure),
    );
  }

  /** In the order of the layers, so that the same thought looks the same at every token. */
  private dots(features: readonly Feature[]): HTMLElement[] {
    const ordered = features.toSorted((a, b) => a.layer - b.layer);
    const hues = new Set(ordered.map((feature) => this.hue(feature)));
    return [...hues].slice(0, MOST_DOTS).map(dotOf);
  }

  private bar({ feature, share }: Row): HTMLElement {
    const bar = h("i");
    bar.style.width = `${Math.round(100 * share)}%`;
    bar.style.background = this.hue(feature);
    return bar;
  }

  private hue(feature: Feature): string {
    const sources = this.store.sourceIds();
    return css(hueOf(sources.indexOf(feature.source), sources.length));
  }
}

export function dotOf(hue: string): HTMLElement {
  const dot = h("i", { class: "dot" });
  dot.style.background = hue;
  return dot;
}
