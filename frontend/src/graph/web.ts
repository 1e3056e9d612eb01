/** The links on show: those with the most evidence, lit as their ends are. */
import type { Session } from "../session/session";
import type { Link } from "../session/evidence";
import { LinkLines, MAX_LINKS } from "./links";
import type { Rgb } from "./palette";

/** The links are chosen anew at most this often while tokens come. */
const CHOOSE_MS = 400;
/** Light of a link with full evidence between two dark and two bright ends. */
const RESTING = 0.07;
const LIT = 0.62;

export class Web {
  readonly drawn = new LinkLines();
  private links: Link[] = [];
  private chosenAt = -Infinity;
  private stale = false;

  get count(): number {
    return this.links.length;
  }

  /** New evidence came in. */
  changed(): void {
    this.stale = true;
  }

  restart(): void {
    this.links = [];
    this.drawn.count = 0;
    this.chosenAt = -Infinity;
  }

  /** Whether evidence waits to be taken up. */
  get isStale(): boolean {
    return this.stale;
  }

  /** Takes up new evidence when it is time. Returns whether it did. */
  refresh(
    session: Session,
    places: Float32Array,
    placed: (index: number) => boolean,
    now: number,
  ): boolean {
    if (!this.stale || now - this.chosenAt < CHOOSE_MS) return false;
    this.stale = false;
    this.chosenAt = now;
    this.links = session.links.strongest(MAX_LINKS).filter(({ a, b }) => placed(a) && placed(b));
    this.links.forEach(({ a, b }, i) => {
      this.drawn.setEnds(i, places, a, b);
    });
    this.drawn.count = this.links.length;
    return true;
  }

  /** Lights every link; a hidden end hides it. `chosen` keeps the links of one node apart. */
  light(glow: Float32Array, hue: (index: number) => Rgb, chosen: number | null): void {
    this.links.forEach(({ a, b, weight }, i) => {
      const least = Math.min(glow[a] ?? 0, glow[b] ?? 0);
      const own = a === chosen || b === chosen;
      const fire = chosen === null ? least : own ? Math.max(least, 0.6) : 0.3 * least;
      const light = least < 0 ? 0 : weight * (RESTING + (LIT - RESTING) * fire);
      this.drawn.setLight(i, light, hue(a), hue(b));
    });
  }
}
