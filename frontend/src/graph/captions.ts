/** Names on the picture: they are chosen now and then, and follow their nodes in every frame. */
import { strongest } from "../state/query";
import { type Store, tokenOf } from "../state/store";
import { Labels } from "./labels";
import type { Lights } from "./lights";
import { NAMED_FROM, nameNodes } from "./naming";
import type { OnScreen, Projector } from "./pick";
import { type Box, coreBox } from "./placement";

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
    const { session } = this.store;
    const token = tokenOf(this.store);
    const active = (token?.active ?? []).filter(({ feature }) => this.store.passes(feature));
    return strongest(session, active, LEADS).map(({ feature }) => feature.index);
  }

  private spotOf(index: number | null): OnScreen | null {
    return index === null ? null : this.projector.at(index);
  }
}
