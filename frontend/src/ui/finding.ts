/** One field to find features and to filter them: hits to choose from, filters as chips. */
import { css, hueAmong } from "../graph/palette";
import { type Filter, filterText, judgeOf, parseFilter, sameFilter } from "../state/filters";
import { type Hit, isIndex, search } from "../state/query";
import { follow, heed } from "../state/signals";
import type { Store } from "../state/store";
import { BEGINNINGS, SAY } from "../words";
import { byId, h, setText } from "./dom";
import { dotOf } from "./features";
import { type AskForLabelled, LookUp } from "./look-up";

const MOST_HITS = 12;
/** What the open list offers: a feature, a filter to set, or a text to go on with. */
type Offer = { hit: Hit } | { filter: Filter } | { begin: string; help: string };

export class Finding {
  private readonly field = byId("find", HTMLInputElement);
  private readonly list = byId("hits");
  private readonly problem = byId("find-problem");
  private readonly chips = byId("chips");
  private offers: Offer[] = [];
  private pressed: Offer | undefined;
  private active = 0;
  private open = false;
  private readonly lookUp: LookUp;

  constructor(
    private readonly store: Store,
    ask: AskForLabelled,
  ) {
    this.lookUp = new LookUp(store, ask, this.field, () => {
      if (this.open) this.draw();
    });
    this.field.addEventListener("input", () => {
      this.problem.hidden = true;
      this.field.removeAttribute("aria-invalid");
      this.active = 0;
      this.show(true);
    });
    for (const type of ["focus", "click"]) {
      this.field.addEventListener(type, () => this.show(true));
    }
    this.field.addEventListener("blur", () => this.show(false));
    this.field.addEventListener("keydown", (event) => this.press(event));
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      this.pressed = this.offerAt(event.target);
    });
    // Not at the click: there is none if the list was drawn anew since the press.
    this.list.addEventListener("pointerup", () => {
      this.take(this.pressed);
      this.pressed = undefined;
    });
    this.list.addEventListener("pointercancel", () => {
      this.pressed = undefined;
    });
    this.list.addEventListener("click", ({ detail, target }) => {
      const byAssistiveTechnology = detail === 0;
      if (byAssistiveTechnology) this.take(this.offerAt(target));
    });
    this.chips.addEventListener("click", ({ target }) => {
      const chip = target instanceof Element ? target.closest("button") : null;
      if (chip) this.remove(chip.value);
    });
    follow(() => this.drawChips());
    follow(this.update);
  }

  focus(): void {
    this.field.focus();
    this.field.select();
  }

  clear(): void {
    this.store.look({ sources: null, filters: [] });
  }

  private readonly update = (): void => {
    // A list of hits holds still while tokens come, so that one can choose from it.
    if (!this.open || this.hasHits) return;
    heed(this.store.session.revision);
    this.draw();
  };

  private get hasHits(): boolean {
    return this.offers.some((offer) => "hit" in offer);
  }

  private offerAt(target: EventTarget | null): Offer | undefined {
    const option = target instanceof Element ? target.closest("[role=option]") : null;
    return option ? this.offers[[...this.list.children].indexOf(option)] : undefined;
  }

  private press(event: KeyboardEvent): void {
    const { key } = event;
    if (key === "Escape" && (this.open || this.field.value !== "")) {
      // Here it closes the list; elsewhere it clears the choice.
      event.stopPropagation();
      this.field.value = "";
      this.show(false);
    } else if (key === "Enter" && !event.isComposing) {
      event.preventDefault();
      this.enter();
    } else if (key === "ArrowDown" || key === "ArrowUp") {
      event.preventDefault();
      if (!this.open) this.show(true);
      const count = Math.max(1, this.offers.length);
      this.active = (this.active + (key === "ArrowDown" ? 1 : -1) + count) % count;
      this.draw();
    } else if (key === "Backspace" && this.field.value === "") {
      const last = this.store.filters.at(-1);
      if (last) this.remove(filterText(last));
    }
  }

  private enter(): void {
    const parsed = parseFilter(this.field.value);
    if (parsed && "problem" in parsed) this.refuse(parsed.problem);
    else if (parsed) this.add(parsed.filter);
    else if (this.lookUp.awaits && this.active === 0 && !this.hasHits) {
      // The answer is still to come: wait for it, rather than take a filter offered meanwhile.
      void this.lookUp.now().then(() => this.takeActive());
    } else this.takeActive();
  }

  private takeActive(): void {
    if (this.offers.length > 0) this.take(this.offers[this.active]);
    else if (this.field.value.trim() !== "") {
      this.refuse(SAY.noSuchFeature);
    }
  }

  private take(offer: Offer | undefined): void {
    if (offer === undefined) return;
    if ("filter" in offer) this.add(offer.filter);
    else if ("hit" in offer) this.choose(offer.hit);
    else {
      this.field.value = offer.begin;
      this.active = 0;
      this.draw();
    }
  }

  private choose({ source, id, label, feature }: Hit): void {
    this.field.value = "";
    this.show(false);
    if (feature) this.store.choose(feature.key);
    else this.store.chooseUnseen(source, id, label);
  }

  private add(filter: Filter): void {
    const { store } = this;
    const others = store.filters.filter((other) => !sameFilter(other, filter));
    this.field.value = "";
    this.show(false);
    store.look({ filters: [...others, filter] });
    if (filter.kind !== "hide") return;
    const seen = store.session.features.filter(({ source }) => store.shows(source));
    const judge = judgeOf([filter]);
    if (seen.length > 0 && seen.every((feature) => store.passes(feature, judge))) {
      this.say(SAY.hidesNothing(filterText(filter)));
    }
  }

  private remove(text: string): void {
    const { store } = this;
    if (text === "sources") store.look({ sources: null });
    else store.look({ filters: store.filters.filter((filter) => filterText(filter) !== text) });
    this.field.focus();
    this.show(false);
  }

  private say(text: string): void {
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  private refuse(problem: string): void {
    this.say(problem);
    this.field.setAttribute("aria-invalid", "true");
    this.show(false);
  }

  private show(open: boolean): void {
    this.open = open;
    this.draw();
  }

  private offersNow(): Offer[] {
    const text = this.field.value;
    if (text.trim() === "") return [...BEGINNINGS];
    if (parseFilter(text) !== null) return [];
    const sources = this.store.model?.sources ?? [];
    const hits = search(this.store.session, sources, text, MOST_HITS, this.lookUp.features);
    const words: Offer[] = isIndex(text)
      ? []
      : (["hide", "keep"] as const).map((kind) => ({ filter: { kind, pattern: text.trim() } }));
    return [...hits.map((hit) => ({ hit })), ...words];
  }

  private draw(): void {
    this.offers = this.open ? this.offersNow() : [];
    const shown = this.offers.length > 0;
    this.list.hidden = !shown;
    this.field.setAttribute("aria-expanded", String(shown));
    this.active = Math.min(this.active, Math.max(0, this.offers.length - 1));
    const options = this.offers.map((offer, place) => this.option(offer, place));
    this.list.replaceChildren(...options);
    const active = options[this.active];
    if (active) {
      this.field.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    } else this.field.removeAttribute("aria-activedescendant");
  }

  private option(offer: Offer, place: number): HTMLElement {
    const attributes = {
      role: "option",
      id: `hit-${place}`,
      class: "row",
      "aria-selected": String(place === this.active),
    };
    return h("div", attributes, ...this.contentOf(offer));
  }

  private contentOf(offer: Offer): (HTMLElement | null)[] {
    if ("begin" in offer) {
      return [h("b", {}, offer.begin.trim()), h("span", { class: "quiet" }, offer.help)];
    }
    if ("filter" in offer) {
      const help = offer.filter.kind === "hide" ? SAY.hide : SAY.keep;
      return [h("b", {}, filterText(offer.filter)), h("span", { class: "quiet" }, help)];
    }
    const { source, id, label, feature } = offer.hit;
    const where = feature
      ? SAY.place(shortOf(source), id, this.store.passes(feature))
      : SAY.unseenPlace(shortOf(source), id);
    const dot = dotOf(css(hueAmong(this.store.sourceIds(), source)));
    const name = h("span", { class: "name", dir: "auto" }, label ?? SAY.feature(id));
    return [dot, name, h("span", { class: "quiet" }, where)];
  }

  private drawChips(): void {
    const sources = this.store.sourceIds();
    const off = sources.filter((id) => !this.store.shows(id)).length;
    const texts = this.store.filters.map(filterText);
    const chips = texts.map((text) => chipOf(text, text));
    if (off > 0)
      chips.unshift(chipOf("sources", SAY.someSources(sources.length - off, sources.length)));
    this.chips.hidden = chips.length === 0;
    this.chips.replaceChildren(...chips);
  }
}

/** A source's name without the model's name, which is the same for all that are offered. */
function shortOf(source: string): string {
  return source.slice(source.indexOf("/") + 1);
}

function chipOf(value: string, text: string): HTMLElement {
  const attributes = { type: "button", class: "filter", value, title: SAY.removeFilter };
  const button = h("button", attributes, h("span"), h("span", { "aria-hidden": "true" }, "×"));
  button.setAttribute("aria-label", SAY.removeThisFilter(text));
  const [name] = button.children;
  if (name instanceof HTMLElement) setText(name, text);
  return button;
}
