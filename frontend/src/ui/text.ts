/** The text, token by token: a chip for each, the newest brightest; a click looks at it. */
import { css, hueAmong } from "../graph/palette";
import type { Feature } from "../state/feature";
import { recency } from "../state/light";
import type { Token } from "../state/log";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { attended, byId, makeTabStop, roving } from "./dom";
import { Blocks, factsOf, isStart } from "./tokens";

/** Text this many tokens old has faded to the level that it keeps; the style sheet has it, too. */
const FADING_TOKENS = 24;
const OLD = 0.76;

export class TextView {
  private readonly list = byId("tokens");
  private readonly blocks = new Blocks(this.list);
  private readonly shading = new Shading(this.list);
  private chips: HTMLElement[] = [];
  /** The token that is drawn as the newest; those after it are still to come. */
  private shown = -1;
  private selected: HTMLElement | undefined;
  private session;
  private runs = -1;
  private following = true;
  private scrolling = false;
  /** The user may be scrolling the list. */
  private byHand = false;
  private scrollTop = 0;

  constructor(private readonly store: Store) {
    this.session = store.session;
    roving(this.list, (chip) => {
      const index = Number(chip.dataset.index);
      store.playhead.lookAt(store.playhead.token?.index === index ? null : index);
    });
    attended(this.list, (chip) => {
      const token = chip && store.session.tokens[Number(chip.dataset.index)];
      if (token) chip.dataset.tip = tipOf(token);
    });
    follow(this.update);
    // Another width changes the number of lines: a page that follows the end stays there.
    new ResizeObserver(() => this.scroll()).observe(this.list);
    this.listenToScrolling();
  }

  private readonly update = (): void => {
    const { session, playhead } = this.store;
    const { at } = playhead;
    if (session !== this.session || session.runs !== this.runs) this.restart();
    const fresh = session.tokens.slice(this.chips.length);
    for (const token of fresh) this.append(token);
    if (at !== this.shown) this.age(at);
    this.select();
    this.shading.update(this.store, this.chips);
    if (fresh.length > 0) this.scroll();
  };

  private append(token: Token): void {
    const chip = this.blocks.append(token);
    if (this.store.playhead.token && token.index > this.store.playhead.token.index)
      chip.classList.add("later");
    this.chips.push(chip);
  }

  private restart(): void {
    this.session = this.store.session;
    this.runs = this.session.runs;
    this.chips = [];
    this.shown = -1;
    this.selected = undefined;
    this.following = true;
    this.byHand = false;
    this.blocks.clear();
    this.shading.restart();
  }

  /** Lets the text look as it did when token `at` was its newest; only what changes is touched. */
  private age(at: number): void {
    const before = this.shown;
    this.shown = at;
    for (const chip of this.window(before)) chip.style.opacity = "";
    this.chips[before]?.classList.remove("newest");
    for (const chip of this.chips.slice(before + 1, at + 1)) chip.classList.remove("later");
    for (const chip of this.chips.slice(at + 1, before + 1)) chip.classList.add("later");
    const window = this.window(at);
    for (const [i, chip] of window.entries()) {
      chip.style.opacity = (OLD + (1 - OLD) * recency(window.length - 1 - i)).toFixed(3);
    }
    this.chips[at]?.classList.add("newest");
    makeTabStop(this.list, this.chips[at]);
    this.scroll();
  }

  /** The chips that are still fading when a token is the newest, the oldest first. */
  private window(newest: number): HTMLElement[] {
    return this.chips.slice(Math.max(0, newest - FADING_TOKENS), newest + 1);
  }

  private select(): void {
    const { token } = this.store.playhead;
    const selected = token ? this.chips[token.index] : undefined;
    if (selected === this.selected) return;
    this.selected?.setAttribute("aria-selected", "false");
    selected?.setAttribute("aria-selected", "true");
    this.selected = selected;
    if (!selected) this.following = true;
  }

  /**
   * Brings the token on show into view; once a frame, since it makes the browser lay out. Blocks
   * that come into view get their true height only then, so it takes a second look.
   */
  private scroll(looks = 2): void {
    if (this.scrolling) return;
    this.scrolling = true;
    requestAnimationFrame(() => {
      this.scrolling = false;
      const { list, selected } = this;
      if (selected) {
        const [top, bottom] = [selected.offsetTop, selected.offsetTop + selected.offsetHeight];
        if (top < list.scrollTop) list.scrollTop = top;
        else if (bottom > list.scrollTop + list.clientHeight) {
          list.scrollTop = bottom - list.clientHeight;
        }
      } else if (this.following) list.scrollTop = list.scrollHeight;
      if (looks > 1) this.scroll(looks - 1);
    });
  }

  /** When the user scrolls up, following stops until they come back to the end. */
  private listenToScrolling(): void {
    for (const event of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      this.list.addEventListener(
        event,
        () => {
          this.byHand = true;
        },
        { passive: true },
      );
    }
    // Blocks whose heights become known scroll the list, too: that does not count.
    this.list.addEventListener("scroll", () => {
      const up = this.list.scrollTop < this.scrollTop;
      this.scrollTop = this.list.scrollTop;
      if (this.atEnd()) this.following = true;
      else if (up && this.byHand && this.store.playhead.token === null) this.following = false;
    });
    this.list.addEventListener("scrollend", () => {
      this.byHand = false;
    });
  }

  private atEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < 40;
  }
}

function tipOf(token: Token): string {
  const facts = factsOf(token).map(({ name, value }) => `${name} ${value}`);
  const start = "The sign before the text. Its features are outliers and are left out. ";
  return (isStart(token) ? start : "") + facts.join(" · ");
}

/** Shades the tokens at which a feature fired: the hovered one, else the chosen one. */
class Shading {
  private shaded: HTMLElement[] = [];
  private feature: Feature | null = null;
  /** The scale of the shades: with another one, all are drawn anew. */
  private scale = 0;
  private done = 0;

  constructor(private readonly list: HTMLElement) {}

  restart(): void {
    this.shaded = [];
    this.done = 0;
  }

  update(store: Store, chips: readonly HTMLElement[]): void {
    const feature = store.attended;
    const scale = feature ? Math.max(feature.peak, feature.knownMax ?? 0) : 0;
    if (feature !== this.feature || scale !== this.scale) {
      [this.feature, this.scale] = [feature, scale];
      for (const chip of this.shaded) unshade(chip);
      this.restart();
      if (feature) this.setHue(store, feature);
    }
    if (!feature) return;
    const { at, activation } = store.session.firingsOf(feature);
    for (; this.done < at.length; this.done += 1) {
      const chip = chips[at[this.done] ?? -1];
      const share = store.session.strengthOf(feature, activation[this.done] ?? 0);
      if (!chip) continue;
      chip.classList.add("fired");
      chip.style.setProperty("--fired", share.toFixed(2));
      this.shaded.push(chip);
    }
  }

  private setHue(store: Store, { source }: Feature): void {
    this.list.style.setProperty("--hue", css(hueAmong(store.sourceIds(), source)));
  }
}

function unshade(chip: HTMLElement): void {
  chip.classList.remove("fired");
  chip.style.removeProperty("--fired");
}
