/** The inspector: all that is known of the chosen feature. */
import { css, hueOf } from "../graph/palette";
import type { FeatureInfo } from "../wire/model";
import { activationAt, type Neighbour, nameOf, neighbours, newestToken } from "../session/query";
import type { Feature, FeatureKey } from "../session/state";
import type { Store } from "../session/store";
import { byId, h, setText, short } from "./dom";
import { dotOf, FeatureList, type Row } from "./feature-list";
import { percent } from "./text";

const NEIGHBOURS = 8;

/** Asks the label store about a feature; null when it knows nothing. */
export type AskForFeature = (source: string, index: number) => Promise<FeatureInfo | null>;

export class Inspector {
  private readonly panel = byId("inspector");
  private readonly head = h("header");
  private readonly source = h("p", { class: "where" });
  private readonly name = h("h2");
  private readonly gauge = h("div", { class: "gauge" }, h("i"));
  private readonly facts = h("dl");
  private readonly link = h("a", { target: "_blank", rel: "noreferrer", hidden: "" });
  private readonly company = h("h3", {}, "Fires together with");
  private readonly list: FeatureList;
  private readonly known = new Map<FeatureKey, FeatureInfo>();
  /** Asked about since it was chosen. What could not be told then is asked for again next time. */
  private asked: Feature | null = null;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFeature,
  ) {
    const close = h("button", { type: "button", class: "close", title: "Close (Esc)" }, "Close");
    close.addEventListener("click", () => {
      store.choose(null);
    });
    this.head.append(this.source, close);
    const element = h("div", {
      role: "listbox",
      tabindex: "-1",
      "aria-label": "Fires together with",
    });
    this.list = new FeatureList(element, store);
    this.panel.append(
      this.head,
      this.name,
      this.gauge,
      this.facts,
      this.link,
      this.company,
      element,
    );
    addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      if (store.chosen) store.choose(null);
      else store.lookAt(null);
    });
    store.subscribe(() => {
      this.update();
    });
  }

  private update(): void {
    const { chosen } = this.store;
    const hidden = chosen === null;
    if (this.panel.hidden !== hidden) {
      this.panel.hidden = hidden;
      document.body.classList.toggle("inspecting", !hidden);
    }
    if (chosen !== this.asked) this.inform(chosen);
    if (!chosen) return;
    this.describe(chosen);
  }

  private describe(feature: Feature): void {
    const { session, token } = this.store;
    const now = activationAt(token ?? newestToken(session), feature);
    const info = this.known.get(feature.key) ?? null;
    const sources = this.store.sourceIds();
    const hue = css(hueOf(sources.indexOf(feature.source), sources.length));
    const index = h("span", { class: "index" }, `#${feature.id}`);
    this.source.replaceChildren(dotOf(hue), feature.source, " ", index);
    setText(this.name, nameOf(feature));
    this.name.classList.toggle("nameless", feature.label === null);
    const most = Math.max(feature.peak, info?.max_activation ?? 0);
    const bar = this.gauge.firstElementChild as HTMLElement;
    bar.style.width = `${most > 0 ? (100 * now) / most : 0}%`;
    bar.style.background = hue;
    this.facts.replaceChildren(...this.factsOf(feature, now, info).flat());
    this.setLink(feature, info);
    const company = neighbours(session, feature, NEIGHBOURS);
    this.company.hidden = company.length === 0;
    this.list.update(company.map(rowOf));
  }

  private factsOf(feature: Feature, now: number, info: FeatureInfo | null): HTMLElement[][] {
    const { session, token } = this.store;
    const told = session.tokens.filter((t) => t.active.length > 0);
    const fired = told.filter((t) => activationAt(t, feature) > 0).length;
    const facts = [
      fact("Activation", "How strongly it fires, in the autoencoder's own units", [
        now > 0 ? short(now) : "silent",
        token ? "at the chosen token" : "at the newest token",
      ]),
      fact("Peak", "The strongest it has fired here", [
        short(feature.peak),
        info?.max_activation != null
          ? `of ${short(info.max_activation)} seen at most`
          : "seen here",
      ]),
      fact("Fired at", "Tokens of this text; its start has no features", [
        `${fired}`,
        `of ${told.length} tokens`,
      ]),
      fact("Layer", "Where in the model it is read", [`${feature.layer}`, ""]),
    ];
    if (info?.density != null) {
      facts.push(
        fact("Density", "Share of all text on which it fires", [
          density(info.density),
          "of all tokens",
        ]),
      );
    }
    if (info?.explainer != null) {
      facts.push(fact("Label by", "Who or what wrote the label", [info.explainer, ""]));
    }
    if (info?.score != null) {
      facts.push(
        fact("Label score", "How well the label tells where it fires, 1 at best", [
          short(info.score),
          "of 1",
        ]),
      );
    }
    return facts;
  }

  private setLink(feature: Feature, info: FeatureInfo | null): void {
    const { backend } = this.store;
    const served =
      backend.state === "ready"
        ? backend.model.sources.find(({ id }) => id === feature.source)?.neuronpedia_url
        : null;
    const url = info?.neuronpedia_url ?? (served == null ? null : `${served}/${feature.id}`);
    this.link.hidden = url === null || !/^https?:\/\//.test(url);
    if (url === null || this.link.hidden) return;
    this.link.href = url;
    setText(this.link, "Open on Neuronpedia");
  }

  /** Tells a feature that was just chosen what the label store knows; an answer redraws the panel. */
  private inform(feature: Feature | null): void {
    this.asked = feature;
    if (!feature) return;
    const tell = (info: FeatureInfo): void => {
      feature.label ??= info.label;
      feature.knownMax = info.max_activation;
    };
    const known = this.known.get(feature.key);
    if (known) {
      tell(known);
      return;
    }
    void this.ask(feature.source, feature.id).then((info) => {
      if (!info) return;
      this.known.set(feature.key, info);
      tell(info);
      this.store.changed();
    });
  }
}

function fact(name: string, help: string, [figure, meaning]: [string, string]): HTMLElement[] {
  return [
    h("dt", { title: help }, name),
    h("dd", {}, h("b", {}, figure), meaning === "" ? null : ` ${meaning}`),
  ];
}

function density(share: number): string {
  return share >= 0.01 ? percent(share) : `${(100 * share).toPrecision(1)}%`;
}

function rowOf({ feature, together, weight }: Neighbour): Row {
  return {
    feature,
    echoes: [],
    share: weight,
    figure: `${together}×`,
    title: `together at ${together} tokens; the bar says how much more often than chance`,
  };
}
