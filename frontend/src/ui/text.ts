/** The text, token by token: a chip for each, the newest brightest; a click looks at it. */
import { css, hueAmong } from "../graph/palette";
import { recency, strength } from "../state/light";
import type { Log, Token } from "../state/log";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { PAGE, REACH, SAY, STAGE } from "../words";
import { branchWords, sayDoses } from "../words/edits";
import { attended, byId, h, makeTabStop, roving, setText } from "./dom";
import { Fan, LEAST_BEAT_MS } from "./fan";
import { firstFrom } from "./strip";
import { Blocks, factsOf, isStart } from "./tokens";

/** Text this many tokens old has faded to the level that it keeps; the style sheet has it, too. */
const FADING_TOKENS = 24;
const OLD = 0.76;

/** A pane for each branch of the run on show. */
export class TextView {
  private readonly panes: Pane[] = [];

  constructor(store: Store) {
    const place = byId("text");
    follow(() => {
      const { width } = store;
      while (this.panes.length < Math.max(1, width)) {
        const branch = this.panes.length;
        if (branch > 0) place.append(paneElement(branch));
        this.panes.push(new Pane(store, branch, place.children[branch] as HTMLElement));
      }
      place.classList.toggle("twins", width > 1);
      place.classList.toggle("rows", width > 2);
      setText(byId("text-title"), sayDoses(store) || PAGE["text-title"].text);
      // Before the first text there is nothing to list, and the picture may have the room.
      const blank = store.playhead.length === 0;
      document.body.classList.toggle("blank", blank);
      setText(byId("no-text"), blank ? STAGE.blank : "");
      for (const [branch, { element }] of this.panes.entries()) element.hidden = branch >= width;
    });
  }
}

/** As the one in the document, for another branch. */
function paneElement(branch: number): HTMLElement {
  const name = h("button", { type: "button", class: "branch", id: `branch-${branch}` });
  const labelled = { class: "tokens", role: "listbox", "aria-labelledby": `branch-${branch}` };
  const fan = h("ol", { class: "fan", "aria-hidden": "true", hidden: "" });
  return h(
    "div",
    { class: "pane" },
    name,
    fan,
    h("div", { ...labelled, tabindex: "-1", dir: "auto" }),
  );
}

/** The text of one branch. */
class Pane {
  private readonly list: HTMLElement;
  private readonly name: HTMLElement;
  /**
   * Scrolls after the browser has laid out, in the same frame: asked for sizes before that, it
   * would lay out twice. Blocks get their true height only when they come near.
   */
  private readonly laidOut = new ResizeObserver(() => this.scroll());
  private readonly blocks: Blocks;
  private readonly shading: Shading;
  private chips: HTMLElement[] = [];
  /** The token that is drawn as the newest; those after it are still to come. */
  private shown = -1;
  private selected: HTMLElement | undefined;
  private session;
  private log: Log | null = null;
  /** Index of the token at which the texts part, -1 while they do not. */
  private parting = -1;
  private following = true;
  /** The user may be scrolling the list. */
  private byHand = false;
  private scrollTop = 0;

  constructor(
    private readonly store: Store,
    private readonly branch: number,
    readonly element: HTMLElement,
  ) {
    this.session = store.session;
    this.list = element.querySelector<HTMLElement>(".tokens") ?? element;
    this.name = element.querySelector<HTMLElement>(".branch") ?? element;
    new Fan(store, branch, element.querySelector<HTMLElement>(".fan") ?? h("ol"));
    this.blocks = new Blocks(this.list, (block) => this.laidOut.observe(block));
    this.laidOut.observe(this.list);
    this.shading = new Shading(this.list, branch);
    roving(this.list, (chip) => {
      const index = Number(chip.dataset.index);
      const same = this.isChosen && store.playhead.token?.index === index;
      store.playhead.choose(branch);
      store.playhead.lookAt(same ? null : index);
    });
    this.list.addEventListener("click", ({ target }) => {
      if (target === this.list) store.playhead.choose(branch);
    });
    this.name.addEventListener("click", () => store.playhead.choose(branch));
    attended(this.list, (chip) => {
      const token = chip && store.session.tokensOf(branch)[Number(chip.dataset.index)];
      if (token) chip.dataset.tip = this.tipOf(token);
    });
    follow(this.update);
    // A hover changes shades alone.
    follow(this.shade);
    this.listenToScrolling();
  }

  private readonly update = (): void => {
    const { session, playhead } = this.store;
    if (session !== this.session || session.branchLog(this.branch) !== this.log) this.restart();
    const tokens = session.tokensOf(this.branch);
    const looked = playhead.token?.index ?? null;
    const at = this.isChosen ? playhead.at : Math.min(looked ?? Infinity, tokens.length - 1);
    this.entitle();
    const fresh = tokens.slice(this.chips.length);
    for (const token of fresh) this.append(token, looked);
    if (at !== this.shown) this.age(at);
    if (this.select(looked)) {
      // Observed anew, it is reported after the next layout, whether its size changes or not.
      this.laidOut.unobserve(this.list);
      this.laidOut.observe(this.list);
    }
    this.part();
    untracked(this.shade);
  };

  private readonly shade = (): void => this.shading.update(this.store, this.chips);

  /** Whether graph and lists show this branch. */
  private get isChosen(): boolean {
    return this.store.session.branch === this.branch;
  }

  /** The branch's name, where there are several, and whether it is on show. */
  private entitle(): void {
    const { name, store } = this;
    const words = store.session.width > 1 ? branchWords(store, this.branch) : "";
    name.hidden = words === "";
    name.setAttribute("aria-pressed", String(this.isChosen));
    name.title = `${words}. ${REACH.choose}`;
    // In rows there is room for the name alone.
    const told = this.isChosen && store.session.width === 2;
    setText(name, told ? `${words} · ${REACH.onShow}` : words);
  }

  private append(token: Token, looked: number | null): void {
    const chip = this.blocks.append(token);
    if (looked !== null && token.index > looked) chip.classList.add("later");
    this.chips.push(chip);
  }

  private restart(): void {
    this.session = this.store.session;
    this.log = this.session.branchLog(this.branch);
    this.chips = [];
    this.shown = -1;
    this.selected = undefined;
    this.parting = -1;
    this.following = true;
    this.byHand = false;
    this.laidOut.disconnect();
    this.laidOut.observe(this.list);
    this.blocks.clear();
    this.shading.restart();
  }

  /** Marks the first token that differs from the first text, and there, from any other. */
  private part(): void {
    const { session } = this.store;
    if (this.parting >= 0 || session.width < 2) return;
    const others = [...Array(session.width).keys()].slice(1);
    const found = (this.branch > 0 ? [this.branch] : others)
      .map((branch) => session.partingOf(branch))
      .filter((index) => index >= 0);
    const index = Math.min(...found);
    const chip = this.chips[index];
    if (!chip) return;
    this.parting = index;
    chip.classList.add("parting");
    chip.setAttribute("aria-description", REACH.parting);
  }

  private tipOf(token: Token): string {
    return (token.index === this.parting ? `${REACH.parting} ` : "") + tipOf(token);
  }

  /** Lets the text look as it did when token `at` was its newest; only what changes is touched. */
  private age(at: number): void {
    const before = this.shown;
    this.shown = at;
    const { beat } = this.store.playhead;
    if (beat >= LEAST_BEAT_MS) this.list.dataset.beat = String(at % 2);
    else delete this.list.dataset.beat;
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

  /** Marks the token looked at; true if it is another, to be brought into view. */
  private select(looked: number | null): boolean {
    const selected = looked === null ? undefined : this.chips[looked];
    const state = String(this.isChosen);
    if (selected !== this.selected) this.selected?.setAttribute("aria-selected", "false");
    else if (selected === undefined || selected.getAttribute("aria-selected") === state)
      return false;
    selected?.setAttribute("aria-selected", state);
    this.selected = selected;
    this.byHand = false;
    if (!selected) this.following = true;
    return true;
  }

  /** Brings the token on show into view. */
  private scroll(): void {
    const { list, selected } = this;
    if (selected && !this.byHand) {
      const { top, bottom } = selected.getBoundingClientRect();
      const outer = list.getBoundingClientRect();
      if (top < outer.top) list.scrollTop -= outer.top - top;
      else if (bottom > outer.bottom) list.scrollTop += bottom - outer.bottom;
    } else if (!selected && this.following) list.scrollTop = this.newest;
    this.shading.look(this.store, this.chips);
  }

  /** Where the list follows to: a row of several stands where the texts part, if they do. */
  private get newest(): number {
    const { list, chips, parting, store } = this;
    const place = store.session.width > 2 ? chips[parting] : undefined;
    if (!place) return list.scrollHeight;
    return list.scrollTop + place.getBoundingClientRect().top - list.getBoundingClientRect().top;
  }

  /** When the user scrolls up, following stops until they come back to the end. */
  private listenToScrolling(): void {
    const hand = (begins: string[], ends: string[]): void => {
      const take =
        (byHand: boolean) =>
        ({ type, deltaY }: Event & { deltaY?: number }) => {
          // Down from the end, the wheel scrolls nothing, and nothing would tell of its end.
          if (type !== "wheel" || ((deltaY ?? 0) < 0 && this.list.scrollTop > 0)) this.byHand = byHand; // prettier-ignore
        };
      for (const type of begins) this.list.addEventListener(type, take(true), { passive: true });
      for (const type of ends) addEventListener(type, take(false), { passive: true });
    };
    // What ends without a scroll is over as well: a click, a key that only chooses.
    hand(["wheel", "touchmove", "pointerdown", "keydown"], ["pointerup", "pointercancel", "touchend", "keyup"]); // prettier-ignore
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
  return (isStart(token) ? SAY.startTip : "") + facts.join(" · ");
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

  constructor(
    private readonly list: HTMLElement,
    private readonly branch: number,
  ) {}

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
      const { at, activation } = session.firingsOf(feature, this.branch);
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
