/** What the page says of its map, and what one can do with it: fold it, ask of a district or of likeness. */
import type { Box } from "../graph/names/place";
import { cutKey, featureKey, nameOf } from "../state/feature";
import type { FeatureMap } from "../state/map";
import { follow, signal } from "../state/signals";
import { type Store, tokenOf } from "../state/store";
import type { AskForFacts } from "../net/backend";
import { districtFacts, MAP, mapMaking, nearness } from "../words";
import { byId, h, setText } from "./dom";
import { percent } from "./tokens";

/** How many features like the chosen one are named. */
const ALIKE = 16;
/** Strongest features that are listed for a district. */
const LISTED = 5;
/** Time for which the pointer rests on a silent feature before its name is asked for. */
const REST_MS = 120;

export class MapPanel {
  private readonly card = byId("district");
  private readonly shown = signal<{ district: number; box: Box } | null>(null);
  private readonly asked = new Set<string>();
  private resting: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly ask: AskForFacts,
  ) {
    this.offerFlat();
    this.offerAlike();
    follow(this.describe);
    follow(this.listDistrict);
    follow(() => {
      const { hovered, wanted } = store;
      clearTimeout(this.resting);
      this.resting = setTimeout(() => void this.name([hovered, wanted]), REST_MS);
    });
  }

  /** The pointer is over a district's name, or no longer. */
  readonly show = (district: number | null, box: Box | null): void => {
    const before = this.shown.peek();
    if (district === (before?.district ?? null)) return;
    this.shown.value = district === null || box === null ? null : { district, box };
  };

  /** How far the map is, or what nearness on it means. */
  private readonly describe = (): void => {
    const { map, mapping } = this.store;
    const text = map
      ? nearness(map.recall, this.store.flat ?? isPhone())
      : mapping.state === "making"
        ? mapMaking(mapping.stage, mapping.done)
        : mapping.state === "none"
          ? mapping.reason
          : "";
    setText(byId("nearness"), text);
    byId("chart").hidden = text === "";
    byId("help-map").hidden = map === null;
    setText(byId("help-map-title"), MAP.title);
    setText(byId("help-nearness"), map ? nearness(map.recall) : "");
  };

  private offerFlat(): void {
    const { store } = this;
    const button = byId("flat", HTMLButtonElement);
    setText(button, MAP.flat);
    button.title = MAP.flatHelp;
    button.addEventListener("click", () => {
      store.look({ flat: button.getAttribute("aria-pressed") !== "true" });
    });
    follow(() => {
      button.hidden = store.map === null;
      button.setAttribute("aria-pressed", String(store.flat ?? isPhone()));
    });
  }

  private offerAlike(): void {
    const { store } = this;
    const button = byId("alike", HTMLButtonElement);
    setText(button, MAP.alike);
    button.title = MAP.alikeHelp;
    button.addEventListener("click", () => {
      store.alike = store.alike.length > 0 ? [] : this.likeChosen();
      void this.name(store.alike);
    });
    let chosen = store.wanted;
    follow(() => {
      button.hidden = store.map === null || store.chosen === null;
      button.setAttribute("aria-pressed", String(store.alike.length > 0));
      if (store.wanted === chosen) return;
      chosen = store.wanted;
      store.alike = [];
    });
  }

  private likeChosen(): string[] {
    const { chosen, map } = this.store;
    const number = chosen && map ? map.numberOf(chosen.source, chosen.id) : -1;
    return map && number >= 0 ? map.nearest(number, ALIKE).map((other) => map.keyOf(other)) : [];
  }

  /** Asks for the labels of features that have not fired here, each once. */
  private async name(keys: readonly (string | null)[]): Promise<void> {
    const { store } = this;
    const bySource = new Map<string, number[]>();
    for (const key of keys) {
      if (key === null || this.asked.has(key) || store.labelOf(key) !== null) continue;
      this.asked.add(key);
      const [source, id] = cutKey(key);
      bySource.set(source, [...(bySource.get(source) ?? []), id]);
    }
    for (const [source, ids] of bySource) {
      const facts = await this.ask(source, ids);
      const names = [...(facts ?? [])].flatMap(([id, { label }]): [string, string][] => label === null ? [] : [[featureKey(source, id), label]]); // prettier-ignore
      store.learnNames(names);
    }
  }

  /** A district's strongest features at the token on show. */
  private readonly listDistrict = (): void => {
    const { card, store } = this;
    const { value } = this.shown;
    const { map } = store;
    const district = value === null ? undefined : map?.file.districts[value.district];
    card.hidden = district === undefined;
    if (value === null || map === null || district === undefined) return;
    const rows = strongestIn(store, map, value.district).slice(0, LISTED);
    card.replaceChildren(
      h("b", {}, district.name),
      h(
        "p",
        { class: "quiet" },
        districtFacts(district.features) + (district.provisional ? `, ${MAP.provisional}` : ""),
      ),
      ...(rows.length === 0
        ? [h("p", { class: "quiet" }, MAP.silent)]
        : [h("p", { class: "quiet" }, MAP.now)]),
      ...rows.map(({ name, strength }) => h("p", { class: "row" }, h("span", { class: "name", dir: "auto" }, name), h("span", { class: "figure" }, percent(strength)))), // prettier-ignore
    );
    const stage = byId("stage").getBoundingClientRect();
    const { left, top, width, height } = value.box;
    const { offsetWidth: w, offsetHeight: tall } = card;
    const x = Math.min(stage.width - w - 8, Math.max(8, left + width / 2 - stage.left - w / 2));
    const below = top + height - stage.top + 8;
    const y = below + tall < stage.height ? below : top - stage.top - tall - 8;
    card.style.transform = `translate(${x.toFixed(0)}px, ${y.toFixed(0)}px)`;
  };
}

/** The features of a district that fire at the token on show, the strongest first. */
export function strongestIn(store: Store, map: FeatureMap, district: number) {
  const found: { name: string; strength: number }[] = [];
  tokenOf(store)?.eachActive((feature, activation) => {
    const here = map.districtsOf(map.numberOf(feature.source, feature.id));
    if (here?.small !== district && here?.large !== district) return;
    if (!store.passes(feature)) return;
    found.push({ name: nameOf(feature), strength: store.session.strengthOf(feature, activation) });
  });
  return found.sort((a, b) => b.strength - a.strength);
}

export function isPhone(): boolean {
  return innerWidth < 760;
}
