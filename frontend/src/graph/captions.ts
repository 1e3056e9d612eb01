/** Names on the picture: which ones is decided now and then, where they are in every frame. */
import type { Store } from "../session/store";
import { Labels } from "./labels";
import type { Lights } from "./lights";
import { NAMED_FROM, nameNodes } from "./naming";
import type { OnScreen, Projector } from "./pick";
import { type Box, coreBox } from "./placement";

/** Labels are chosen anew at most this often; between, they only follow their nodes. */
const CHOOSE_MS = 240;
/** Labels rather do not hide nodes at least this bright. */
const BRIGHT = 0.5;
/** A small stage has room for the strongest alone. */
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

  /** The part of the canvas that labels may use, and what they must leave free of it. */
  resize(stage: Box, taken: readonly Box[]): void {
    this.stage = stage;
    this.taken = taken;
    this.labels.forgetSizes();
    this.changed(true);
  }

  /** The picture has changed; `now` has the names chosen anew with the next frame. */
  changed(now = false): void {
    this.stale = true;
    if (now) this.chosenAt = -Infinity;
  }

  /** Milliseconds until names are to be chosen anew, Infinity when they fit. */
  due(now: number): number {
    return this.stale ? Math.max(1, this.chosenAt + CHOOSE_MS - now) : Infinity;
  }

  draw(now: number): void {
    const { chosen, hovered, session } = this.store;
    const marked = {
      chosen: chosen?.index ?? null,
      hovered: hovered === null ? null : (session.feature(hovered)?.index ?? null),
    };
    // Who gets the attention gets a name at once.
    if (marked.chosen !== this.marked.chosen || marked.hovered !== this.marked.hovered) {
      this.changed(true);
    }
    this.marked = marked;
    if (this.stale && now - this.chosenAt >= CHOOSE_MS) this.choose(now, marked);
    this.labels.follow((index) => this.projector.at(index));
    this.labels.mark("chosen", this.spotOf(marked.chosen));
    this.labels.mark(
      "hovered",
      marked.hovered === marked.chosen ? null : this.spotOf(marked.hovered),
    );
  }

  private choose(now: number, marked: Marked): void {
    this.stale = false;
    this.chosenAt = now;
    // By the light they are on their way to: a name comes with its feature, not after it.
    const { target: glow, fresh } = this.lights;
    const nodes: OnScreen[] = [];
    for (let index = 0; index < this.lights.size; index += 1) {
      const bright = (glow[index] ?? 0) >= NAMED_FROM || fresh[index] === 1;
      if (!bright && index !== marked.chosen && index !== marked.hovered) continue;
      const spot = this.spotOf(index);
      if (spot) nodes.push(spot);
    }
    const named = nameNodes(nodes, this.store.session.features, { glow, fresh, ...marked });
    const bright = nodes.filter(({ index }) => (glow[index] ?? 0) >= BRIGHT).map(coreBox);
    const limit = this.stage.width < SMALL ? MOST_ON_SMALL : MOST;
    this.labels.select(named.slice(0, 4 * limit), bright, this.stage, this.taken, limit);
  }

  private spotOf(index: number | null): OnScreen | null {
    return index === null ? null : this.projector.at(index);
  }
}
