/** The facts about one feature: figures of this text, and what the label store knows. */
import { type Feature, featureKey } from "../state/feature";
import { type Store, tokenOf } from "../state/store";
import type { FeatureInfo, TokenEffect } from "../wire/model";
import { explained, h, setText, short } from "./dom";
import { figure, SAY, type Term, TERMS } from "../words";
import { decimals, signed } from "../words/why";
import { percent, visible } from "./tokens";

/** Most tokens shown of those that a feature promotes or suppresses. */
const EFFECTS = 8;

/** A feature's activation at the token on show, and its highest known one. */
export function activationOf(
  store: Store,
  feature: Feature,
  info: FeatureInfo | null,
): { now: number; most: number } {
  const now = tokenOf(store)?.activationOf(feature) ?? 0;
  return { now, most: Math.max(feature.peak, info?.max_activation ?? feature.knownMax ?? 0) };
}

/** "activation 14.3 (highest known 22.1)", in parts that keep their elements. */
export class ActivationLine {
  private readonly now = h("b", { class: "now" });
  private readonly rest = h("span");
  readonly element = h(
    "p",
    { class: "activation" },
    explained("activation", TERMS.activation),
    " ",
    this.now,
    " ",
    this.rest,
  );

  show(store: Store, feature: Feature, info: FeatureInfo | null): void {
    const { now, most } = activationOf(store, feature, info);
    const edited = tokenOf(store)?.edited.find((one) => one.feature === feature);
    this.now.textContent = edited ? short(edited.activation) : now > 0 ? short(now) : SAY.none;
    this.rest.textContent = SAY.highest(short(most), edited ? short(edited.before) : null);
  }
}

/** A row of the list of facts: its term, if that needs an explanation, the figure and its unit. */
type Fact = [name: string, term: Term | null, figure: string, unit: string];

export function factsOf({ session }: Store, feature: Feature, info: FeatureInfo | null): Fact[] {
  const known = info?.max_activation;
  const here = known == null ? SAY.seenHere : SAY.hereOfKnown(short(known));
  const facts: Fact[] = [
    [SAY.facts.peak, "peak", short(feature.peak), here],
    [SAY.facts.fired, null, String(session.timesOf(feature)), SAY.ofTokens(session.told)],
    [SAY.facts.layer, "source", String(feature.layer), ""],
  ];
  if (info?.density != null) {
    facts.push([SAY.facts.density, "density", sayDensity(info.density), SAY.ofAllTokens]);
  }
  if (info?.explainer != null) facts.push([SAY.facts.explainer, "explainer", info.explainer, ""]);
  if (info?.score != null) facts.push([SAY.facts.score, "score", short(info.score), SAY.ofOne]);
  return facts;
}

/** Shows facts. New figures alone make no new elements: one of the terms may have the focus. */
export function showFacts(list: HTMLElement, facts: readonly Fact[]): void {
  const names = facts.map(([name]) => name).join();
  if (list.dataset.names !== names) {
    list.dataset.names = names;
    const rows = facts.flatMap(([name, term]) => [
      h("dt", {}, term === null ? name : explained(term, name)),
      h("dd", {}, h("b"), h("span")),
    ]);
    list.replaceChildren(...rows);
  }
  for (const [i, [, , figure, unit]] of facts.entries()) {
    const [value, rest] = list.children[2 * i + 1]?.children ?? [];
    if (value instanceof HTMLElement) setText(value, figure);
    if (rest instanceof HTMLElement) setText(rest, unit === "" ? "" : ` ${unit}`);
  }
}

export function sayDensity(share: number): string {
  return share >= 0.01
    ? percent(share)
    : `${figure(100 * share, { maximumSignificantDigits: 1 })}%`;
}

/** The tokens that a feature makes likelier or less likely, as chips with their logits. */
export function effectsOf(info: FeatureInfo): HTMLElement[] {
  return [
    effects("promotes", SAY.promotes, SAY.promotesBy, info.promoted ?? []),
    effects("suppresses", SAY.suppresses, SAY.suppressesBy, info.suppressed ?? []),
  ].flat();
}

function effects(
  term: Term,
  title: string,
  by: (logit: string) => string,
  tokens: readonly TokenEffect[],
): HTMLElement[] {
  if (tokens.length === 0) return [];
  const chips = tokens
    .slice(0, EFFECTS)
    .map(({ token, logit }) =>
      h(
        "li",
        { "data-tip": by(signed(logit)) },
        h("span", { class: "token", dir: "auto" }, visible(token)),
        h("span", { class: "figure" }, signed(logit)),
      ),
    );
  return [h("h3", {}, explained(term, title)), h("ul", { class: "effects" }, ...chips)];
}

/** Features of the same source that point the same way, to be chosen. */
export function alikeOf(store: Store, { source }: Feature, info: FeatureInfo): HTMLElement[] {
  const alike = (info.neighbors ?? []).slice(0, EFFECTS);
  if (alike.length === 0) return [];
  const chips = alike.map(({ index, cosine }) => {
    const key = featureKey(source, index);
    const label = store.labelOf(key);
    const attributes = { type: "button", class: "token", dir: "auto" };
    const chip = h("button", attributes, label ?? `#${index}`);
    chip.addEventListener("click", () => {
      if (store.session.feature(key)) store.choose(key);
      else store.chooseUnseen(source, index, label);
    });
    return h("li", {}, chip, h("span", { class: "figure" }, decimals(cosine)));
  });
  return [h("h3", {}, explained("alike", SAY.alike)), h("ul", { class: "effects" }, ...chips)];
}
