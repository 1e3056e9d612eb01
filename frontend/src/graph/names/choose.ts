/** Which nodes get a name, the most important first, and when names are chosen anew. */
import { type Feature, thoughtOf } from "../../state/feature";
import { namedBy } from "../../state/edits";
import { editsInForce, type Store } from "../../state/store";
import type { Lights } from "../lights";
import type { OnScreen, Projector } from "../pick";
import { Labels } from "./draw";
import { type Box, coreBox } from "./place";

/** Labels are chosen anew at most this often; in between, they only follow their nodes. */
const CHOOSE_MS = 240;
/** Labels avoid hiding nodes at least this bright. */
const BRIGHT = 0.5;
/** How many of the strongest features of the token on show have large names. */
const LEADS = 5;
/** A stage narrower than this, in pixels, has room for fewer names. */
const SMALL = 500;
const MOST = 14;
const MOST_ON_SMALL = 5;

/** Feature numbers. */
interface Marked {
  chosen: number | null;
  hovered: number | null;
}

export class Captions {
  private chosenAt = -Infinity;
  private stale = false;
  private marked: Marked = { chosen: null, hovered: null };
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
    return this.stale ? Math.max(1, this.chosenAt + CHOOSE_MS - now) : Infinity;
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
    if (this.stale && now - this.chosenAt >= CHOOSE_MS) this.choose(now, marked);
    this.labels.follow((index) => this.projector.at(index));
    this.labels.markEdited(this.edited().map((index) => this.spotOf(index)));
    this.labels.mark("chosen", this.spotOf(marked.chosen));
    this.labels.mark(
      "hovered",
      marked.hovered === marked.chosen ? null : this.spotOf(marked.hovered),
    );
  }

  private choose(now: number, marked: Marked): void {
    this.stale = false;
    this.chosenAt = now;
    // By the light that they are moving to: a name comes with its feature, not after it.
    const { target: glow } = this.lights;
    const leads = this.leads();
    const nodes: OnScreen[] = [];
    for (let index = 0; index < this.lights.size; index += 1) {
      const bright = (glow[index] ?? 0) >= NAMED_FROM || leads.includes(index);
      if (!bright && index !== marked.chosen && index !== marked.hovered) continue;
      const spot = this.spotOf(index);
      if (spot) nodes.push(spot);
    }
    const named = nameNodes(nodes, this.store.session.features, { glow, leads, ...marked });
    const bright = nodes.filter(({ index }) => (glow[index] ?? 0) >= BRIGHT).map(coreBox);
    const limit = this.stage.width < SMALL ? MOST_ON_SMALL : MOST;
    this.labels.select(named.slice(0, 4 * limit), bright, this.stage, this.taken, limit);
  }

  /** The first features of the list beside the text. */
  private leads(): number[] {
    return this.store.strongest.slice(0, LEADS).map(({ feature }) => feature.index);
  }

  /** The features that edits in force at the token on show name. */
  private edited(): number[] {
    const { session } = this.store;
    const keys = namedBy(editsInForce(this.store));
    return keys.flatMap((key) => session.feature(key)?.index ?? []);
  }

  private spotOf(index: number | null): OnScreen | null {
    return index === null ? null : this.projector.at(index);
  }
}

/** Other nodes than the chosen, the hovered and the strongest are named from this light on. */
export const NAMED_FROM = 0.3;
/** Factor of a feature without a label: its number says less than a name. */
const NAMELESS = 0.6;
const LABEL_CHARACTERS = 34;

/** A node that may be named. */
export interface Named {
  id: number;
  text: string;
  /** False for a feature without a label: its number is shown, in a quieter style. */
  named: boolean;
  /** One of the strongest of the token on show: larger than the others. */
  lead: boolean;
  x: number;
  y: number;
  radius: number;
  chosen: boolean;
}

/** What decides about names: the light, and what the user looks at. */
export interface Attention {
  glow: Float32Array;
  /** The strongest of the token on show, by feature number, the strongest first. */
  leads: readonly number[];
  chosen: number | null;
  hovered: number | null;
}

/**
 * The names to show for `nodes`, the most important first, each once: the chosen and the hovered
 * feature, the strongest of the token on show however faint they are, then the bright ones.
 */
export function nameNodes(
  nodes: readonly OnScreen[],
  features: readonly Feature[],
  { glow, leads, chosen, hovered }: Attention,
): Named[] {
  const rank = (index: number): number => {
    if (index === chosen) return 4;
    if (index === hovered) return 3;
    const place = leads.indexOf(index);
    if (place >= 0) return 2 - place / leads.length;
    const light = glow[index] ?? 0;
    return features[index]?.label == null ? NAMELESS * light : light;
  };
  const ranked = nodes
    .map((node) => ({ node, rank: rank(node.index) }))
    .filter((entry) => entry.rank >= NAMED_FROM)
    .sort((a, b) => b.rank - a.rank);
  const seen = new Set<string>();
  return ranked.flatMap(({ node }) => {
    const feature = features[node.index];
    if (!feature || seen.has(thoughtOf(feature))) return [];
    seen.add(thoughtOf(feature));
    return [named(node, feature, leads.includes(node.index), node.index === chosen)];
  });
}

function named(
  { x, y, radius }: OnScreen,
  feature: Feature,
  lead: boolean,
  chosen: boolean,
): Named {
  const text = shorten(feature.label ?? `#${feature.id}`);
  return { id: feature.index, text, named: feature.label !== null, lead, x, y, radius, chosen };
}

function shorten(text: string): string {
  return text.length <= LABEL_CHARACTERS ? text : `${text.slice(0, LABEL_CHARACTERS - 1)}…`;
}
