/** The text, token by token: a chip for each, the newest brightest; a click looks at it. */
import { css, hueAmong } from "../graph/palette";
import type { Feature } from "../state/feature";
import { recency } from "../state/light";
import type { Log, Token } from "../state/log";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { REACH } from "../words/en";
import { branchWords } from "../words/edits";
import { attended, byId, h, makeTabStop, roving, setText } from "./dom";
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
      const { width } = store.session;
      while (this.panes.length < Math.max(1, width)) {
        const branch = this.panes.length;
        if (branch > 0) place.append(paneElement(branch));
        this.panes.push(new Pane(store, branch, place.children[branch] as HTMLElement));
      }
      place.classList.toggle("twins", width > 1);
      for (const [branch, { element }] of this.panes.entries()) element.hidden = branch >= width;
    });
  }
}

/** As the one in the document, for another branch. */
function paneElement(branch: number): HTMLElement {
  const name = h("button", { type: "button", class: "branch", id: `branch-${branch}` });
  const labelled = { class: "tokens", role: "listbox", "aria-labelledby": `branch-${branch}` };
  return h("div", { class: "pane" }, name, h("div", { ...labelled, tabindex: "-1" }));
}

/** The text of one branch. */
class Pane {
  private readonly list: HTMLElement;
  private readonly name: HTMLElement;
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
  private scrolling = false;
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
    this.blocks = new Blocks(this.list);
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
    // Another width changes the number of lines: a page that follows the end stays there.
    new ResizeObserver(() => this.scroll()).observe(this.list);
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
    this.select(looked);
    this.part();
    this.shading.update(this.store, this.chips);
    if (fresh.length > 0) this.scroll();
  };

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
    setText(name, this.isChosen ? `${words} · ${REACH.onShow}` : words);
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

  private select(looked: number | null): void {
    const selected = looked === null ? undefined : this.chips[looked];
    const state = String(this.isChosen);
    if (selected !== this.selected) this.selected?.setAttribute("aria-selected", "false");
    else if (selected === undefined || selected.getAttribute("aria-selected") === state) return;
    selected?.setAttribute("aria-selected", state);
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

  constructor(
    private readonly list: HTMLElement,
    private readonly branch: number,
  ) {}

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
    const { at, activation } = store.session.firingsOf(feature, this.branch);
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
