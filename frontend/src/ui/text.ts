/** The text, token by token: quiet chips, the newest brightest, each one to be looked at. */
import { recency } from "../session/fade";
import { activationAt } from "../session/query";
import type { Token } from "../session/state";
import type { Store } from "../session/store";
import { css, hueOf } from "../graph/palette";
import { byId, h } from "./dom";
import { makeTabStop, roving } from "./roving";

/** Text this old has faded to the level that it keeps. */
const FADING_TOKENS = 24;
const OLD = 0.76;
/** A token's text: spaces, body, line ends. */
const PARTS = /^( *)([^]*?)(\n*)$/;

export class TextView {
  private readonly list = byId("tokens");
  private chips: HTMLElement[] = [];
  /** Chips before this one have faded to the level that they keep. */
  private fading = 0;
  private session;
  private runs = -1;
  private following = true;

  constructor(private readonly store: Store) {
    this.session = store.session;
    roving(this.list, (chip) => {
      const index = this.chips.indexOf(chip);
      store.lookAt(store.token?.index === index ? null : index);
    });
    store.subscribe(() => {
      this.update();
    });
    // Narrower, the text takes more lines: whoever follows its end stays there.
    new ResizeObserver(() => {
      if (this.following) this.list.scrollTop = this.list.scrollHeight;
    }).observe(this.list);
    this.list.addEventListener("scroll", () => {
      this.following = this.atEnd();
    });
  }

  private update(): void {
    const { session } = this.store;
    if (session !== this.session || session.runs !== this.runs) this.restart();
    const fresh = session.tokens.slice(this.chips.length);
    for (const token of fresh) this.append(token);
    this.fade();
    this.mark();
    if (fresh.length > 0 && this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  /** Spaces before a word and line ends after it stay outside its chip: no blank is lit. */
  private append(token: Token): void {
    const [, space = "", , lineEnds = ""] = PARTS.exec(token.text) ?? [];
    const chip = chipOf(token);
    this.chips.push(chip);
    this.list.append(space, chip, lineEnds);
  }

  private restart(): void {
    this.session = this.store.session;
    this.runs = this.session.runs;
    this.chips = [];
    this.fading = 0;
    this.following = true;
    this.list.replaceChildren();
  }

  private fade(): void {
    const newest = this.chips.length - 1;
    // From where the last fading ended: more than fade at a time may have come at once.
    for (const [i, chip] of this.chips.slice(this.fading).entries()) {
      const age = newest - this.fading - i;
      chip.style.opacity = (OLD + (1 - OLD) * recency(age)).toFixed(3);
      chip.classList.toggle("newest", age === 0);
    }
    this.fading = Math.max(0, this.chips.length - FADING_TOKENS);
    makeTabStop(this.list, this.chips[this.store.token?.index ?? newest]);
  }

  /** Marks the token looked at, and those at which the chosen feature fired. */
  private mark(): void {
    const { session, chosen, token } = this.store;
    const sources = this.store.sourceIds();
    for (const [index, chip] of this.chips.entries()) {
      chip.setAttribute("aria-selected", String(index === token?.index));
      const activation = chosen ? activationAt(session.tokens[index], chosen) : 0;
      if (!chosen || activation === 0) {
        chip.style.removeProperty("--fired");
        continue;
      }
      const hue = css(hueOf(sources.indexOf(chosen.source), sources.length));
      const share = Math.round(20 + 80 * session.strengthOf(chosen, activation));
      chip.style.setProperty("--fired", `color-mix(in srgb, ${hue} ${share}%, transparent)`);
    }
  }

  private atEnd(): boolean {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    return scrollHeight - scrollTop - clientHeight < 40;
  }
}

function chipOf(token: Token): HTMLElement {
  const [, , body = "", lineEnds = ""] = PARTS.exec(token.text) ?? [];
  const start = token.index === 0 && token.active.length === 0 && /^<.*>$/.test(token.text);
  const kinds = [
    "chip",
    start ? "special" : token.generated ? "made" : "given",
    lineEnds === "" ? "" : "line-end",
  ];
  const title = start
    ? `${token.text}: the start of the text. Its features are outliers and left out.`
    : titleOf(token);
  const attributes = { role: "option", class: kinds.join(" ").trim(), tabindex: "-1", title };
  const chip = h("span", attributes, start ? "start" : body);
  chip.style.opacity = String(OLD);
  return chip;
}

function titleOf({ position, logprob }: Token): string {
  if (logprob === null) return `position ${position}, given`;
  return `position ${position}, probability ${percent(Math.exp(logprob))}`;
}

export function percent(share: number): string {
  if (share > 0 && share < 0.01) return "under 1%";
  return `${Math.round(100 * share)}%`;
}
