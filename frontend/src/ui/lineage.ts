/** What a feature has to do with other sources, and texts that activate it. */
import { css, hueAmong } from "../graph/palette";
import { type Feature, featureKey } from "../state/feature";
import { shownLabel } from "../state/own-labels";
import type { Store } from "../state/store";
import type { FeatureExample, FeatureInfo, Kin } from "../wire/model";
import { SAY, WHY } from "../words";
import { decimals } from "../words/why";
import { dotOf } from "./features";
import { explained, h, short } from "./dom";

const EXAMPLES = 5;

/** Its kin in the other sources, to be chosen, and the texts in which it was strongest. */
export function lineageOf(store: Store, feature: Feature, info: FeatureInfo): HTMLElement[] {
  return [...kinOf(store, info.kin ?? []), ...examplesOf(store, feature, info.examples ?? [])];
}

function kinOf(store: Store, kin: readonly Kin[]): HTMLElement[] {
  if (kin.length === 0) return [];
  const rows = kin.map(({ source, index, label, cosine, mutual }) => {
    const key = featureKey(source, index);
    const name = shownLabel(key, label) ?? store.labelOf(key);
    const attributes = { type: "button", class: "token", dir: "auto" };
    const chip = h("button", attributes, name ?? `#${index}`);
    chip.addEventListener("click", () => {
      if (store.session.feature(key)) store.choose(key);
      else store.chooseUnseen(source, index, name);
    });
    const figure = `${decimals(cosine)}${mutual ? " ⇄" : ""}`;
    const said = SAY.cosine(decimals(cosine), mutual);
    return h(
      "li",
      {},
      dotOf(css(hueAmong(store.sourceIds(), source))),
      h("span", { class: "source-name quiet" }, source.slice(source.indexOf("/") + 1)),
      chip,
      h("span", { class: "figure", title: said, "aria-label": said, role: "img" }, figure),
    );
  });
  return [h("h3", {}, explained("kin", WHY.kin)), h("ul", { class: "effects kin" }, ...rows)];
}

function examplesOf(
  store: Store,
  { source }: Feature,
  examples: readonly FeatureExample[],
): HTMLElement[] {
  if (examples.length === 0) return [];
  const most = Math.max(...examples.flatMap(({ activations }) => activations), 1e-9);
  const hue = css(hueAmong(store.sourceIds(), source));
  const texts = examples.slice(0, EXAMPLES).map(({ tokens, activations }) => {
    const spans = tokens.map((token, i) => {
      const activation = activations[i] ?? 0;
      if (activation <= 0) return h("span", {}, token);
      const span = h("span", { class: "fired", title: SAY.activation(short(activation)) }, token);
      span.style.setProperty("--fired", (activation / most).toFixed(2));
      return span;
    });
    const strongest = short(Math.max(...activations, 0));
    const text = h("p", { class: "example-text", dir: "auto" }, ...spans);
    text.style.setProperty("--hue", hue);
    return h("li", {}, text, h("span", { class: "figure quiet" }, strongest));
  });
  return [
    h("h3", { title: WHY.examplesHelp }, WHY.examples),
    h("ol", { class: "examples" }, ...texts),
  ];
}
