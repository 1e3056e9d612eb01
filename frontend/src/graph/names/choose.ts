/** Which nodes get a name, the most important first, and when names are chosen anew. */
import { type Feature, type FeatureKey, nameOf, thoughtOf } from "../../state/feature";
import { namedBy } from "../../state/edits";
import { type Certainty, certaintyOf } from "../../state/naming";
import type { Store } from "../../state/store";
import { neighbours, type Ranked } from "../../state/query";
import type { Lights } from "../lights";
import type { OnScreen, Projector } from "../pick";
import { Labels } from "./draw";
import type { Box } from "./place";
import { sayLayers, sayName } from "../../words/stage";

/** Labels are chosen anew at most this often; in between, they only follow their nodes. */
const CHOOSE_MS = 240;
/** For another token they are chosen sooner, so that each is seen with its names. */
const TOKEN_MS = 80;
/** How many of the strongest features of the token on show have large names. */
const LEADS = 5;
/** A stage narrower than this, in pixels, has room for fewer names. */
const SMALL = 500;
const MOST = 14;
const MOST_ON_SMALL = 5;
/** How many of those that fire with the chosen feature have a ring. */
const COMPANIONS = 6;
/** What is in brackets stands above or below the strongest of a column, to this many pixels. */
const LEANS = 32;

const NOBODY: ReadonlySet<number> = new Set();

/** Feature numbers. */
interface Marked {
  chosen: number | null;
  hovered: number | null;
}

export class Captions {
  /** All of a map is in view: only the strongest have names, for its districts need the room. */
  few = false;
  private chosenAt = -Infinity;
  private stale = false;
  /** Least time to the next choice. */
  private pause = CHOOSE_MS;
  /** The list beside the text when labels were chosen last. */
  private listed: readonly Ranked[] = [];
  /** The token and the filters of that choice: with them, a name stays. */
  private chosenFor: readonly unknown[] = [];
  private marked: Marked = { chosen: null, hovered: null };
  /** Feature numbers: what fires with the chosen one, and the twins of each strong one. */
  private companions: readonly number[] = [];
  private columns: readonly (readonly number[])[] = [];
  private stage: Box = { left: 0, top: 0, width: 1, height: 1 };
  private taken: readonly Box[] = [];

  constructor(
    readonly labels: Labels,
    private readonly store: Store,
    private readonly lights: Lights,
    private readonly projector: Projector,
  ) {}

  /** `stage` is the part of the canvas that labels may use; they must leave `taken` free. */
  resize(stage: Box, taken: readonly Box[]): void {
    this.stage = stage;
    this.taken = taken;
    this.labels.forgetSizes();
    this.changed(true);
  }

  /** The picture has changed. With `now`, names are chosen anew at the next frame. */
  changed(now = false): void {
    this.stale = true;
    if (now) this.chosenAt = -Infinity;
  }

  /** Milliseconds until names are to be chosen anew, Infinity if nothing has changed. */
  due(now: number): number {
    return this.stale ? Math.max(1, this.chosenAt + this.pause - now) : Infinity;
  }

  draw(now: number): void {
    const { chosen, hovered, session } = this.store;
    const marked = {
      chosen: chosen?.index ?? null,
      hovered: hovered === null ? null : (session.feature(hovered)?.index ?? null),
    };
    // A feature that was just chosen or hovered gets its name at once.
    if (marked.chosen !== this.marked.chosen || marked.hovered !== this.marked.hovered) {
      this.changed(true);
    }
    this.marked = marked;
    this.pause = this.store.strongest === this.listed ? CHOOSE_MS : TOKEN_MS;
    if (this.stale && now - this.chosenAt >= this.pause) this.choose(now, marked);
    this.labels.follow((index) => this.projector.at(index));
    this.mark();
    this.labels.mark("chosen", this.spotOf(marked.chosen));
    this.labels.mark(
      "hovered",
      marked.hovered === marked.chosen ? null : this.spotOf(marked.hovered),
    );
  }

  private choose(now: number, marked: Marked): void {
    this.stale = false;
    this.chosenAt = now;
    this.pause = CHOOSE_MS;
    this.listed = this.store.strongest;
    // By the light that they are moving to: a name comes with its feature, not after it.
    const { target: glow } = this.lights;
    const top = this.listed.slice(0, LEADS);
    const leads = top.map(({ feature }) => feature.index);
    const { chosen: feature } = this.store;
    const fired = feature !== null && feature.index >= 0;
    this.companions = fired
      ? neighbours(this.store.session, feature, COMPANIONS).map((one) => one.feature.index)
      : [];
    this.columns = top
      .filter(({ certainty, echoes }) => certainty === "sure" && echoes.length > 0)
      .map((entry) => [entry.feature, ...entry.echoes].map(({ index }) => index));
    const ranked = new Map(this.listed.map((entry) => [entry.feature.index, entry]));
    const { chosen, hovered } = marked;
    const looked = [chosen, hovered].filter((index) => index !== null);
    const wanted = new Set([...looked, ...leads, ...this.lights.above(NAMED_FROM)]);
    const limit = this.few || this.stage.width < SMALL ? MOST_ON_SMALL : MOST;
    const { session, playhead, passVersion } = this.store;
    const state = [session, session.runs, playhead.at, passVersion];
    const same = state.every((one, i) => one === this.chosenFor[i]);
    this.chosenFor = state;
    const kept = same ? this.labels.named : NOBODY;
    const attention = { glow, leads, ranked, kept, wait: this.lights.wait, chosen, hovered };
    const where = (index: number) => this.projector.at(index);
    const named = nameNodes(wanted, where, session.features, attention, 4 * limit);
    this.labels.select(named, this.projector.bright(), this.stage, this.taken, limit);
  }

  /** Draws the rings of what is looked at, and brackets around the columns of the strongest. */
  private mark(): void {
    const { labels } = this;
    const spots = (indices: readonly number[]) => indices.map((index) => this.spotOf(index));
    labels.markAll("edited", spots(this.edited()));
    labels.markAll("pinned", spots(this.numbersOf(this.store.pinned)));
    labels.markAll("companion", spots(this.companions));
    labels.bracket(
      this.columns.map((column) => upright(spots(column).filter((spot) => spot !== null))),
    );
  }

  /** The features that edits in force at the token on show name. */
  private edited(): number[] {
    return this.numbersOf(namedBy(this.store.editsInForce));
  }

  private numbersOf(keys: Iterable<FeatureKey>): number[] {
    return [...keys].flatMap((key) => this.store.session.feature(key)?.index ?? []);
  }

  private spotOf(index: number | null): OnScreen | null {
    return index === null ? null : this.projector.at(index);
  }
}

/** The spots about above and below the first; none if it is alone. */
function upright(spots: readonly OnScreen[]): readonly OnScreen[] {
  const [first] = spots;
  const column = spots.filter(({ x }) => first && Math.abs(x - first.x) <= LEANS);
  return column.length > 1 ? column : [];
}

/** Other nodes than the chosen, the hovered and the strongest are named from this light on. */
export const NAMED_FROM = 0.3;
const LABEL_CHARACTERS = 34;

/** A node that may be named. */
export interface Named {
  id: number;
  text: string;
  /** Its classes: a feature without a label is quieter, its number is shown. */
  look: string;
  /** One of the strongest of the token on show: larger than the others. */
  lead: boolean;
  x: number;
  y: number;
  radius: number;
  chosen: boolean;
  /** Milliseconds until its light is there, and its name with it. */
  wait: number;
}

/** What decides about names: the light, and what the user looks at. */
export interface Attention {
  glow: Float32Array;
  /** The strongest of the token on show, by feature number, the strongest first. */
  leads: readonly number[];
  /** What is known of those that fire at the token on show: how sure their names are there. */
  ranked: ReadonlyMap<number, Ranked>;
  /** Those with a name already, while the token is the same: a name stays until the next one. */
  kept: ReadonlySet<number>;
  /** Milliseconds until a feature's light is there. */
  wait: Float32Array;
  chosen: number | null;
  hovered: number | null;
}

/**
 * The names to show for nodes, the most important first, each once and no more than `most`: the
 * chosen and the hovered feature, the strongest of the token on show however faint they are, then
 * the bright ones. Each is made when its turn comes: for most there is no room any more. `where`
 * says where a node is, null if it is not on show.
 */
export function* nameNodes(
  wanted: Iterable<number>,
  where: (index: number) => OnScreen | null,
  features: readonly Feature[],
  { glow, leads, ranked, kept, wait, chosen, hovered }: Attention,
  most = Infinity,
): Generator<Named> {
  const rank = (index: number): number => {
    if (index === chosen) return 4;
    if (index === hovered) return 3;
    const place = leads.indexOf(index);
    if (place >= 0) return 2 - place / leads.length;
    const light = glow[index] ?? 0;
    if (kept.has(index)) return 1 + light / (2 * LEADS);
    const feature = features[index];
    return feature && certaintyOf(feature) === "provisional" ? light / 2 : light;
  };
  const order = Array.from(wanted, (index) => ({ index, rank: rank(index) }))
    .filter((entry) => entry.rank >= NAMED_FROM)
    .sort((a, b) => b.rank - a.rank);
  const said = new Set<string>();
  // The twins of one that is named have its name.
  const twins = new Set(
    leads.flatMap((i) => ranked.get(i)?.echoes ?? []).map(({ index }) => index),
  );
  for (const { index } of order) {
    if (said.size >= most) return;
    const feature = features[index];
    if (!feature || said.has(thoughtOf(feature))) continue;
    if (twins.has(index) && index !== chosen && index !== hovered) continue;
    const node = where(index);
    if (!node) continue;
    said.add(thoughtOf(feature));
    const entry = ranked.get(index);
    const certainty = entry?.certainty ?? certaintyOf(feature);
    const lead = leads.includes(index) && certainty === "sure";
    const name = named(node, feature, certainty, lead, index === chosen);
    const layers = lead ? layersOf(feature, entry?.echoes ?? []) : "";
    yield { ...name, text: name.text + layers, wait: wait[index] ?? 0 };
  }
}

function named(
  { x, y, radius }: OnScreen,
  feature: Feature,
  certainty: Certainty,
  lead: boolean,
  chosen: boolean,
): Omit<Named, "wait"> {
  const text = shorten(sayName(nameOf(feature), certainty));
  const kinds = [certainty !== "sure" && "nameless", lead && "lead", chosen && "chosen"];
  const look = ["label", ...kinds.filter(Boolean)].join(" ");
  return { id: feature.index, text, look, lead, x, y, radius, chosen };
}

/** The layers of a feature and its twins; empty if it has none. */
function layersOf(feature: Feature, echoes: readonly Feature[]): string {
  const layers = [feature, ...echoes].map(({ layer }) => layer);
  const [least, most] = [Math.min(...layers), Math.max(...layers)];
  return least === most ? "" : sayLayers(least, most);
}

function shorten(text: string): string {
  return text.length <= LABEL_CHARACTERS ? text : `${text.slice(0, LABEL_CHARACTERS - 1)}…`;
}
