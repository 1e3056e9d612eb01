/** The inspector: all that is known of the chosen feature. */
import type { AskForFacts } from "../net/backend";
import { css, hueAmong, type Rgb } from "../graph/palette";
import { type Feature, featureKey, type FeatureKey, nameOf } from "../state/feature";
import type { Firings } from "../state/log";
import { type Neighbour, neighbours } from "../state/query";
import { shownLabel } from "../state/own-labels";
import { batch, follow, signal, untracked } from "../state/signals";
import type { Store } from "../state/store";
import type { FeatureInfo } from "../wire/model";
import { byId, copyText, explained, h, isCovered, setText, short } from "./dom";
import {
  ActivationLine,
  activationOf,
  alikeOf,
  effectsOf,
  factsOf,
  showFacts,
} from "./feature-facts";
import { Dial } from "./dial";
import { lineageOf } from "./lineage";
import type { AskForLabelled } from "./look-up";
import { dotOf, FeatureList, type Row } from "./features";
import { Histogram } from "./histogram";
import { OwnName } from "./own-name";
import { nextFiring, Strip } from "./strip";
import { sayToken, sharesOf } from "./timeline";
import { SAY } from "../words";
import { decimals } from "../words/why";

const NEIGHBOURS = 8;

/** Asks the label store about a feature; null when it knows nothing. */
export type AskForFeature = (source: string, index: number) => Promise<FeatureInfo | null>;

/** The answer of the label store, or that it is still to come, or that there is none. */
type Knowledge = FeatureInfo | "asked" | "unknown";

export class Inspector {
  private readonly panel = byId("inspector");
  private readonly source = h("p", { class: "where" });
  private readonly name = h("h2", { dir: "auto" });
  private readonly own = new OwnName();
  private readonly pin = button(SAY.pin);
  private readonly copy = button(SAY.copy);
  private readonly activation = new ActivationLine();
  private readonly gauge = h("div", { class: "gauge" }, h("i"));
  private readonly spark = h("div", {
    class: "strip spark",
    "aria-label": SAY.whereItFires,
  });
  private readonly histogram = new Histogram();
  private readonly facts = h("dl");
  private readonly note = h("p", { class: "quiet note", hidden: "" });
  private readonly effects = h("div");
  private readonly link = h("a", { target: "_blank", rel: "noreferrer", hidden: "" });
  private readonly company = h("h3", {}, explained("together", SAY.together));
  private readonly list: FeatureList;
  private readonly strip: Strip;
  private readonly known = signal<ReadonlyMap<FeatureKey, Knowledge>>(new Map());
  /** The feature last asked about: it is asked about once each time it is chosen, until known. */
  private asked: Feature | null = null;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFeature,
    askForLabelled: AskForLabelled,
    private readonly askForFacts: AskForFacts,
  ) {
    const listbox = h("div", {
      role: "listbox",
      tabindex: "-1",
      "aria-label": SAY.together,
    });
    this.list = new FeatureList(listbox, store);
    this.strip = new Strip(this.spark, {
      seek: (index) => store.playhead.seek(index),
      say: (index) => this.say(index),
      next: (index, direction) => nextFiring(this.firings.at, index, direction),
    });
    const dial = new Dial(store, askForLabelled).element;
    this.panel.append(
      this.head(),
      this.name,
      this.own.element,
      this.activation.element,
      this.gauge,
      this.spark,
    );
    this.panel.append(
      dial,
      this.facts,
      this.histogram.element,
      this.note,
      this.effects,
      this.company,
      listbox,
      this.link,
    );
    this.listen();
    follow(this.update);
    // Another feature, or an answer about it.
    follow(this.present);
  }

  private head(): HTMLElement {
    const close = button(SAY.close);
    close.title = SAY.closeByKey;
    close.addEventListener("click", () => this.store.choose(null));
    return h(
      "header",
      {},
      this.source,
      h("div", { class: "tools" }, this.own.button, this.pin, this.copy, close),
    );
  }

  private listen(): void {
    const { store } = this;
    this.pin.addEventListener("click", () => {
      if (store.chosen) store.pin(store.chosen.key);
    });
    this.copy.addEventListener("click", () => {
      const { chosen } = store;
      if (chosen) void copyText(`${nameOf(chosen)} (${chosen.source} #${chosen.id})`, this.copy);
    });
    addEventListener("keydown", ({ key }) => {
      // In a dialog or a menu, Escape closes that alone.
      if (key !== "Escape" || isCovered()) return;
      if (store.chosen) store.choose(null);
      else store.playhead.lookAt(null);
    });
  }

  private readonly update = (): void => {
    const { chosen } = this.store;
    const hidden = chosen === null;
    if (this.panel.hidden !== hidden) {
      this.panel.hidden = hidden;
      document.body.classList.toggle("inspecting", !hidden);
    }
    if (chosen !== this.asked) this.inform(chosen);
    if (chosen) this.describe(chosen);
  };

  /** Updates what changes with every token; the rest is drawn anew only when it differs. */
  private describe(feature: Feature): void {
    const { store } = this;
    const knowledge = this.known.value.get(feature.key);
    const info = typeof knowledge === "object" ? knowledge : null;
    const { now, most } = activationOf(store, feature, info);
    const hue = this.hueOf(feature);
    setText(this.name, nameOf(feature));
    this.name.classList.toggle("nameless", shownLabel(feature.key, feature.label) === null);
    this.own.show(feature);
    this.activation.show(store, feature, info);
    const bar = this.gauge.firstElementChild as HTMLElement;
    bar.style.width = `${most > 0 ? (100 * now) / most : 0}%`;
    bar.style.background = css(hue);
    this.strip.show({
      values: sharesOf(store.session, feature),
      length: store.session.tokens.length,
      known: store.session.tokens.length,
      at: store.playhead.at,
      hue,
    });
    const pinned = store.pinned.has(feature.key);
    setText(this.pin, pinned ? SAY.unpin : SAY.pin);
    this.pin.setAttribute("aria-pressed", String(pinned));
    showFacts(this.facts, factsOf(store, feature, info));
    this.histogram.show(this.firings.activation, {
      most,
      told: store.session.told,
      density: info?.density ?? feature.density,
      hue,
    });
    const company = neighbours(store.session, feature, NEIGHBOURS);
    this.company.hidden = company.length === 0;
    this.list.update(company.map(rowOf), store.playhead.playing || store.playhead.followsLive);
  }

  /** Draws what changes only with another feature or with an answer about it. */
  private readonly present = (): void => {
    const { store } = this;
    const feature = store.chosen;
    if (!feature) return;
    const knowledge = this.known.value.get(feature.key);
    const info = typeof knowledge === "object" ? knowledge : null;
    const index = h("span", { class: "index" }, `#${feature.id}`);
    this.source.replaceChildren(
      dotOf(css(this.hueOf(feature))),
      explained("source", feature.source),
      " ",
      index,
    );
    this.effects.replaceChildren(
      ...(info
        ? [
            ...effectsOf(info),
            ...untracked(() => [
              ...lineageOf(store, feature, info),
              ...alikeOf(store, feature, info),
            ]),
          ]
        : []),
    );
    const note = noteOf(knowledge);
    this.note.hidden = note === "";
    setText(this.note, note);
    const url = this.urlOf(feature, info);
    this.link.hidden = url === null;
    if (url === null) return;
    this.link.href = url;
    setText(this.link, SAY.neuronpedia);
  };

  /** Where the chosen feature fires. */
  private get firings(): Firings {
    const { chosen, session } = this.store;
    return chosen ? session.firingsOf(chosen) : { at: [], activation: [] };
  }

  private hueOf({ source }: Feature): Rgb {
    return hueAmong(this.store.sourceIds(), source);
  }

  private say(index: number): string {
    const { at, activation } = this.firings;
    const here = activation[at.indexOf(index)];
    const fired = here === undefined ? SAY.silent : SAY.activation(short(here));
    return `${sayToken(this.store, index)}, ${fired}`;
  }

  private urlOf(feature: Feature, info: FeatureInfo | null): string | null {
    const served = this.store.sourceInfo(feature.source)?.neuronpedia_url;
    const url = info?.neuronpedia_url ?? (served == null ? null : `${served}/${feature.id}`);
    return url !== null && /^https?:\/\//.test(url) ? url : null;
  }

  private know(key: FeatureKey, what: Knowledge): void {
    this.known.value = new Map([...this.known.value, [key, what]]);
  }

  /** Asks the label store about a feature just chosen; the answer redraws the panel. */
  private inform(feature: Feature | null): void {
    this.asked = feature;
    if (!feature) return;
    const known = this.known.value.get(feature.key);
    if (typeof known === "object") {
      this.store.learn(feature, known);
      return;
    }
    this.know(feature.key, "asked");
    void this.ask(feature.source, feature.id).then((info) => {
      batch(() => {
        this.know(feature.key, info ?? "unknown");
        if (info) this.store.learn(feature, info);
      });
      if (info) void this.nameAlike(feature, info);
    });
  }

  /** Asks for the labels of features that are alike and have not fired, and shows them. */
  private async nameAlike({ key, source }: Feature, info: FeatureInfo): Promise<void> {
    const nameless = (info.neighbors ?? [])
      .map(({ index }) => index)
      .filter((index) => this.store.labelOf(featureKey(source, index)) === null);
    const found = nameless.length > 0 ? await this.askForFacts(source, nameless) : null;
    const labels = [...(found ?? [])].flatMap(([index, { label }]): [FeatureKey, string][] =>
      label === null ? [] : [[featureKey(source, index), label]],
    );
    if (labels.length === 0) return;
    batch(() => {
      this.store.learnNames(labels);
      this.know(key, { ...info });
    });
  }
}

function button(text: string): HTMLButtonElement {
  return h("button", { type: "button", class: "small" }, text);
}

/** Why facts are missing; empty if none are. */
function noteOf(knowledge: Knowledge | undefined): string {
  if (knowledge === "unknown") return SAY.nothingMore;
  if (typeof knowledge !== "object" || knowledge.promoted !== null) return "";
  return SAY.noPromoted(knowledge.weights_error);
}

function rowOf({ feature, together, weight }: Neighbour): Row {
  return {
    feature,
    echoes: [],
    share: weight,
    second: decimals(weight),
    figure: `${together}×`,
    title: SAY.togetherAt(together, decimals(weight)),
  };
}
