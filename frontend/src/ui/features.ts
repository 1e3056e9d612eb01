/** Lists of features with their bars: the strongest of a token, and those pinned. */
import { css, hueAmong } from "../graph/palette";
import { type Feature, type FeatureKey, nameOf, thoughtOf } from "../state/feature";
import type { EditedFeature } from "../state/log";
import { type Certainty, certaintyOf } from "../state/naming";
import type { Ranked } from "../state/query";
import { follow, untracked } from "../state/signals";
import { type Store, tokenOf } from "../state/store";
import { attended, byId, explained, h, makeTabStop, roving, setText, short } from "./dom";
import { loadPins, savePins } from "../state/settings";
import { percent, shownText, TokenFacts } from "./tokens";
import { SAY, TERMS } from "../words";
import { sayName } from "../words/stage";

export interface Row {
  feature: Feature;
  /** Features of other sources with the same label: their dots are beside the first. */
  echoes: Feature[];
  /** How sure its name is; without it, as sure as the label alone says. */
  certainty?: Certainty;
  /** Length of the bar, 0 to 1. */
  share: number;
  /** The numbers at the end of the row, and what they mean. */
  figure: string;
  second?: string;
  title: string;
  /** Edits have changed it at this token. */
  edited?: boolean;
}

const MOST_DOTS = 4;

export class FeatureList {
  private readonly rows: RowView[] = [];
  private shown: readonly Row[] = [];
  private held: { wanted: readonly Row[]; keepPlaces: boolean } | null = null;

  constructor(
    readonly element: HTMLElement,
    private readonly store: Store,
  ) {
    roving(element, ({ dataset }) => {
      if (dataset.key !== undefined) store.choose(dataset.key);
    });
    attended(element, (option) => store.hover(option?.dataset.key ?? null));
    follow(this.mark);
  }

  /** Shows rows in their order; with `keepPlaces`, those shown before stay where they are. */
  update(wanted: readonly Row[], keepPlaces = false): void {
    // A row must not change between press and release, or another feature would be chosen.
    if (this.element.matches(":active")) {
      if (!this.held) addEventListener("pointerup", this.release, { once: true });
      this.held = { wanted, keepPlaces };
      return;
    }
    const rows = keepPlaces ? settled(this.shown, wanted) : wanted;
    this.shown = rows;
    const focused = this.focusedKey();
    while (this.rows.length > rows.length) this.rows.pop()?.element.remove();
    for (const [i, row] of rows.entries()) this.rowAt(i).show(row, this.store);
    untracked(this.mark);
    this.keepFocus(focused);
  }

  /** Shows what was held back while a row was pressed, once its click has been told. */
  private readonly release = (): void => {
    setTimeout(() => {
      const { held } = this;
      this.held = null;
      if (held) this.update(held.wanted, held.keepPlaces);
    });
  };

  /** Marks the rows of the chosen and of the hovered feature. */
  private readonly mark = (): void => {
    const { wanted, hovered } = this.store;
    for (const { element } of this.rows) {
      const { key } = element.dataset;
      element.setAttribute("aria-selected", String(key === wanted));
      element.classList.toggle("hovered", key === hovered);
    }
  };

  private rowAt(i: number): RowView {
    const existing = this.rows[i];
    if (existing) return existing;
    const row = new RowView();
    this.rows.push(row);
    this.element.append(row.element);
    return row;
  }

  private focusedKey(): string | undefined {
    const focused = document.activeElement;
    return focused instanceof HTMLElement && this.element.contains(focused)
      ? focused.dataset.key
      : undefined;
  }

  /** The focus follows its feature to the row that it is in now. */
  private keepFocus(key: string | undefined): void {
    const elements = this.rows.map(({ element }) => element);
    const same = elements.find(({ dataset }) => key !== undefined && dataset.key === key);
    makeTabStop(this.element, same ?? elements[0]);
    if (same && same !== document.activeElement) same.focus({ preventScroll: true });
  }
}

/** Rows whose thought was shown before stay in their place; newcomers take what is left. */
export function settled(before: readonly Row[], rows: readonly Row[]): Row[] {
  const places = new Map(before.map(({ feature }, place) => [thoughtOf(feature), place]));
  const kept = new Map<number, Row>();
  const others: Row[] = [];
  for (const row of rows) {
    const place = places.get(thoughtOf(row.feature));
    if (place === undefined || place >= rows.length) others.push(row);
    else kept.set(place, row);
  }
  return rows.flatMap((_, place) => kept.get(place) ?? others.shift() ?? []);
}

/** One row's elements; updated, never replaced, so that none flickers or loses the pointer. */
class RowView {
  private readonly dots = h("span", { class: "dots" });
  private readonly name = h("span", { class: "name", dir: "auto" });
  private readonly bar = h("i");
  private readonly second = h("span", { class: "figure second" });
  private readonly figure = h("span", { class: "figure" });
  readonly element = h(
    "div",
    { role: "option", class: "row", tabindex: "-1" },
    this.dots,
    this.name,
    h("span", { class: "bar" }, this.bar),
    this.second,
    this.figure,
  );
  private drawnDots = "";

  show(row: Row, store: Store): void {
    const { feature, echoes } = row;
    const { element } = this;
    element.dataset.key = feature.key;
    const certainty = row.certainty ?? certaintyOf(feature);
    element.classList.toggle("nameless", certainty !== "sure");
    if (element.title !== row.title) element.title = row.title;
    setText(this.name, sayName(nameOf(feature), certainty));
    element.classList.toggle("edited", row.edited === true);
    if (row.edited) element.setAttribute("aria-description", row.title);
    else element.removeAttribute("aria-description");
    setText(this.figure, row.figure);
    setText(this.second, row.second ?? "");
    element.classList.toggle("plain", row.second === undefined);
    const sources = store.sourceIds();
    const hue = ({ source }: Feature): string => css(hueAmong(sources, source));
    this.bar.style.width = `${Math.round(100 * row.share)}%`;
    this.bar.style.background = hue(feature);
    this.showDots([feature, ...echoes], hue);
  }

  /** In the order of the layers, so that the same thought looks the same at every token. */
  private showDots(features: readonly Feature[], hue: (feature: Feature) => string): void {
    const ordered = features.toSorted((a, b) => a.layer - b.layer);
    const hues = [...new Set(ordered.map(hue))].slice(0, MOST_DOTS);
    if (hues.join() === this.drawnDots) return;
    this.drawnDots = hues.join();
    this.dots.replaceChildren(...hues.map(dotOf));
  }
}

export function dotOf(hue: string): HTMLElement {
  const dot = h("i", { class: "dot" });
  dot.style.background = hue;
  return dot;
}

const LIVE = 5;
/** A token looked at shows more; the list scrolls. */
const LOOKED_AT = 24;

export function showStrongest(store: Store): void {
  const title = byId("strongest-title");
  const list = new FeatureList(byId("strongest-list"), store);
  const facts = new TokenFacts();
  byId("row-terms").append(
    explained("feature", TERMS.feature),
    " · ",
    explained("activation", TERMS.activation),
  );
  follow(() => {
    const { playhead } = store;
    const { token: lookedAt, playing, followsLive } = playhead;
    const token = tokenOf(store);
    const studied = lookedAt !== null && !playing;
    facts.show(studied ? lookedAt : null);
    setText(title, SAY.strongest(token && shownText(token)));
    const edited = new Map((token?.edited ?? []).map((one) => [one.feature, one]));
    // Silenced features do not fire; they are listed last.
    const silenced = [...edited.values()].filter(
      ({ feature, activation }) => activation <= 0 && store.passes(feature),
    );
    const limit = (studied ? LOOKED_AT : LIVE) - silenced.length;
    const ranked: Ranked[] = [
      ...store.strongest.slice(0, limit),
      ...silenced.map((one) => ({
        ...one,
        strength: 0,
        worth: 0,
        certainty: certaintyOf(one.feature),
        echoes: [],
      })),
    ];
    // While tokens come, a row that stays keeps its place, so that it can be read.
    list.update(
      ranked.map((entry) => rowOf(entry, studied, edited.get(entry.feature))),
      playing || followsLive,
    );
  });
}

function rowOf(
  { feature, echoes, activation, strength, certainty }: Ranked,
  studied: boolean,
  edited: EditedFeature | undefined,
): Row {
  const changed = edited ? SAY.editedFrom(short(edited.before), short(activation)) : "";
  return {
    feature,
    echoes,
    certainty,
    share: strength,
    figure: short(activation),
    // Otherwise the name needs the room: it is read from the back row.
    ...(studied ? { second: percent(strength) } : {}),
    title: SAY.row(placeOf(feature), changed, short(activation), short(feature.peak)),
    edited: edited !== undefined,
  };
}

function placeOf({ source, id }: Feature): string {
  return `${source} #${id}`;
}

/** The pinned features stay listed, with their activation at the token on show. */
export function showPinned(store: Store): void {
  const section = byId("pinned");
  const list = new FeatureList(byId("pinned-list"), store);
  let place = "";
  let saved: ReadonlySet<FeatureKey> = new Set();
  // Saves this room's pins, or loads them when the room has changed.
  follow(() => {
    const { pinned } = store;
    const now = store.presence?.room ?? store.origin;
    if (now !== place) {
      place = now;
      store.pinned = saved = new Set(loadPins(now));
    } else if (pinned !== saved) {
      saved = pinned;
      savePins(now, [...pinned]);
    }
  });
  follow(() => {
    const token = store.pinned.size > 0 ? tokenOf(store) : null;
    const rows: Row[] = [...store.pinned].flatMap((key) => {
      const { session } = store;
      const feature = session.feature(key);
      if (!feature) return [];
      const activation = token?.activationOf(feature) ?? 0;
      const share = session.strengthOf(feature, activation);
      const figure = activation > 0 ? short(activation) : "–";
      const second = activation > 0 ? percent(share) : "";
      const title = SAY.pinned(placeOf(feature), short(feature.peak));
      return [{ feature, echoes: [], share, figure, second, title }];
    });
    section.hidden = rows.length === 0;
    // The band grows by these rows, so that the strongest keep theirs.
    byId("band").style.setProperty("--pins", String(rows.length));
    list.update(rows);
  });
}
