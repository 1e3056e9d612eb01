/** The text, token by token: a chip for each, the newest brightest; a click looks at it. */
import { css, hueAmong } from "../graph/palette";
import { recency, strength } from "../state/light";
import type { Token } from "../state/log";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { attended, byId, makeTabStop, roving } from "./dom";
import { firstFrom } from "./strip";
import { Blocks, factsOf, isStart } from "./tokens";

/** Text this many tokens old has faded to the level that it keeps; the style sheet has it, too. */
const FADING_TOKENS = 24;
const OLD = 0.76;

export class TextView {
  private readonly list = byId("tokens");
  /**
   * Scrolls after the browser has laid out, in the same frame: asked for sizes before that, it
   * would lay out twice. Blocks get their true height only when they come near.
   */
  private readonly laidOut = new ResizeObserver(() => this.scroll());
  private readonly blocks = new Blocks(this.list, (block) => this.laidOut.observe(block));
  private readonly shading = new Shading(this.list);
  private chips: HTMLElement[] = [];
  /** The token that is drawn as the newest; those after it are still to come. */
  private shown = -1;
  private selected: HTMLElement | undefined;
  private session;
  private runs = -1;
  private following = true;
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
    // A hover changes shades alone.
    follow(this.shade);
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
    untracked(this.shade);
    // A target observed anew is reported after the next layout, whether its size changes or not.
    this.laidOut.unobserve(this.list);
    this.laidOut.observe(this.list);
  };

  private readonly shade = (): void => this.shading.update(this.store, this.chips);

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
    this.laidOut.disconnect();
    this.blocks.clear();
    this.shading.restart();
  }

  /** Lets the text look as it did when token `at` was its newest; only what changes is touched. */
  private age(at: number): void {
    const before = this.shown;
    this.shown = at;
    const window = this.window(at);
    for (const chip of this.window(before)) if (!window.includes(chip)) chip.style.opacity = "";
    this.chips[before]?.classList.remove("newest");
    for (const chip of this.chips.slice(before + 1, at + 1)) chip.classList.remove("later");
    for (const chip of this.chips.slice(at + 1, before + 1)) chip.classList.add("later");
    for (const [i, chip] of window.entries()) {
      chip.style.opacity = (OLD + (1 - OLD) * recency(window.length - 1 - i)).toFixed(3);
    }
    this.chips[at]?.classList.add("newest");
    makeTabStop(this.list, this.chips[at]);
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
    this.byHand = false;
    if (!selected) this.following = true;
  }

  /** Brings the token on show into view. */
  private scroll(): void {
    const { list, selected } = this;
    if (selected && !this.byHand) {
      const { top, bottom } = selected.getBoundingClientRect();
      const outer = list.getBoundingClientRect();
      if (top < outer.top) list.scrollTop -= outer.top - top;
      else if (bottom > outer.bottom) list.scrollTop += bottom - outer.bottom;
    } else if (!selected && this.following) list.scrollTop = list.scrollHeight;
    this.shading.look(this.store, this.chips);
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
      this.shading.look(this.store, this.chips);
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

/**
 * Shades the tokens at which a feature fired: the hovered one, else the chosen one. Only those in
 * view and near it are: of a common feature, a long text has thousands.
 */
class Shading {
  /** The first and the last token near the view. */
  private near: readonly [number, number] = [0, Infinity];
  /** Each shaded chip's share of full strength, as drawn. */
  private drawn = new Map<HTMLElement, string>();
  private hue = "";

  constructor(private readonly list: HTMLElement) {}

  restart(): void {
    this.near = [0, Infinity];
    this.drawn.clear();
  }

  /** The text has been laid out, or scrolled: reads what is in view, and as much on each side. */
  look(store: Store, chips: readonly HTMLElement[]): void {
    const { top, bottom, height } = this.list.getBoundingClientRect();
    const first = chipAt(this.list, top - height) ?? 0;
    const last = chipAt(this.list, bottom + height) ?? Infinity;
    if (first === this.near[0] && last === this.near[1]) return;
    this.near = [first, last];
    this.update(store, chips);
  }

  update(store: Store, chips: readonly HTMLElement[]): void {
    const feature = store.attended;
    const before = this.drawn;
    this.drawn = new Map();
    if (feature) {
      this.setHue(css(hueAmong(store.sourceIds(), feature.source)));
      const [first, last] = this.near;
      const { session } = store;
      const { at, activation } = session.firingsOf(feature);
      const scale = session.scaleOf(feature);
      for (let i = firstFrom(at, first); i < at.length && (at[i] ?? 0) <= last; i += 1) {
        const chip = chips[at[i] ?? -1];
        if (!chip) continue;
        const share = strength(activation[i] ?? 0, scale).toFixed(2);
        this.drawn.set(chip, share);
        if (!before.has(chip)) chip.classList.add("fired");
        if (before.get(chip) !== share) chip.style.setProperty("--fired", share);
      }
    }
    for (const chip of before.keys()) {
      if (this.drawn.has(chip)) continue;
      chip.classList.remove("fired");
      chip.style.removeProperty("--fired");
    }
  }

  /** Set only where it differs: the style of every chip depends on it. */
  private setHue(hue: string): void {
    if (hue !== this.hue) this.list.style.setProperty("--hue", hue);
    this.hue = hue;
  }
}

/** The index of the first chip that ends below a height of the window, if there is one. */
function chipAt(list: HTMLElement, y: number): number | undefined {
  const block = firstBelow(list, y);
  // After its last chip, a block may have an empty line.
  const chip = block && (firstBelow(block, y) ?? block.lastElementChild);
  return chip instanceof HTMLElement ? Number(chip.dataset.index) : undefined;
}

/** The first child that ends below a height: few are asked, and none within a child. */
function firstBelow({ children }: Element, y: number): Element | undefined {
  let [low, high] = [0, children.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) <= y) low = middle + 1;
    else high = middle;
  }
  return children[low];
}
