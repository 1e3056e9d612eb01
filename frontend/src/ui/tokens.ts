/** One token: its chip in the text, and the facts about it. */
import { nameOf } from "../state/feature";
import type { Token } from "../state/log";
import { byId, explained, h, short } from "./dom";
import { type Term, SAY, STAGE } from "../words";

/** Blanks before a word, the word, and the line ends after it. */
const PARTS = /^(\s*)([^]*?)(\n*)$/;
/** A block ends with a line, before a turn of a conversation, or, in a long one, with a sentence, or at last anywhere. */
const LONG_BLOCK = 200;
const LONGEST_BLOCK = 400;

interface Parts {
  before: string;
  body: string;
  after: string;
  /** The sign for a token, or an end of it, that shows no text. */
  mark: string;
}

function partsOf({ text }: Token): Parts {
  const [, before = "", body = "", after = ""] = PARTS.exec(text) ?? [];
  if (body !== "") return { before, body, after, mark: after === "" ? "" : "↵" };
  // Only blanks: line ends go after their sign, spaces before it.
  const line = text.indexOf("\n");
  if (line >= 0) return { before: text.slice(0, line), body, after: text.slice(line), mark: "↵" };
  return { before: text, body, after: "", mark: text.includes("\t") ? "⇥" : "·" };
}

/** Whether it is the sign that the tokenizer adds before a text, such as <|endoftext|>. */
export function isStart(token: Token): boolean {
  return token.index === 0 && token.silent && /^<.*>$/.test(token.text);
}

/** A token's text by itself: a word without the blanks around it, or signs for blanks. */
export function shownText(token: Token): string {
  if (isStart(token)) return SAY.start;
  const { body, mark } = partsOf(token);
  return body === "" ? (token.text === "" ? "·" : mark === "·" ? "␣" : mark) : body.trim();
}

/** A token with its blanks and breaks made visible, wherever they stand. */
export function visible(text: string): string {
  if (text === "") return "·";
  const signs: Readonly<Record<string, string>> = {
    "\n": "↵",
    "\r": "␍",
    "\t": "⇥",
    "\u00a0": "⍽",
  };
  return text
    .replace(/[\n\r\t\u00a0]/g, (blank) => signs[blank] ?? blank)
    .replace(/^ +| +$/g, (spaces) => "␣".repeat(spaces.length));
}

/** A token's chip, with its blanks outside the chip so that no blank is lit. */
export function nodesOf(token: Token): { chip: HTMLElement; nodes: (Node | string)[] } {
  const { before, body, after, mark } = partsOf(token);
  const start = isStart(token);
  const made = token.generated ? "made" : "given";
  const kind = start ? "special" : token.details.template ? "template" : made;
  const attributes = {
    role: "option",
    class: `chip ${kind}`,
    tabindex: "-1",
    "aria-selected": "false",
    "data-index": String(token.index),
    // The word for the start is the page's, and says nothing of the text's direction.
    ...(start ? { dir: "auto" } : {}),
  };
  const chip = h("span", attributes, start ? SAY.start : body);
  if (mark !== "") chip.dataset.mark = mark;
  const { turn } = token;
  if (turn !== null) chip.setAttribute("aria-description", sayRole(turn));
  // The sign is drawn by style alone: without text, the chip would have no name.
  if (body === "")
    chip.setAttribute(
      "aria-label",
      (SAY.blanks as Readonly<Record<string, string>>)[mark] ?? SAY.noText,
    );
  return { chip, nodes: [before, chip, after].filter((node) => node !== "") };
}

/** Who speaks, in the page's words; a role that it has no word for stays as it is. */
function sayRole(role: string): string {
  return (STAGE.speakers as Readonly<Record<string, string>>)[role] ?? role;
}

/** The text's blocks: a browser lays out and draws only those in view. */
export class Blocks {
  private block: HTMLElement | null = null;
  private count = 0;
  /** The next token begins a new block. */
  private full = false;

  /** `begun` is told of each new block. */
  constructor(
    private readonly list: HTMLElement,
    private readonly begun: (block: HTMLElement) => void,
  ) {}

  clear(): void {
    this.list.replaceChildren();
    this.block = null;
    this.count = 0;
    this.full = false;
  }

  append(token: Token): HTMLElement {
    const { chip, nodes } = nodesOf(token);
    const { turn } = token;
    if (this.block === null || this.full || turn !== null) this.begin(nodes);
    // Drawn by style alone: who speaks is no part of the text.
    if (this.block && turn !== null) this.block.dataset.speaker = sayRole(turn);
    this.block?.append(...nodes);
    this.count += 1;
    this.full =
      token.text.endsWith("\n") ||
      this.count >= LONGEST_BLOCK ||
      (this.count >= LONG_BLOCK && /[.!?]["”’)]?$/.test(token.text));
    return chip;
  }

  /**
   * If the block before ends without a line end, spaces at the seam stay with it, so that the new
   * one begins with its word. After a line end they are the new one's indentation.
   */
  private begin(nodes: (Node | string)[]): void {
    const seam = this.block !== null && !this.block.textContent.endsWith("\n");
    if (seam && typeof nodes[0] === "string") this.block?.append(nodes.shift() ?? "");
    this.block = h("div", { class: "block", role: "none" });
    this.list.append(this.block);
    this.begun(this.block);
    this.count = 0;
  }
}

export interface Fact {
  name: string;
  value: string;
  /** The term that explains the name, if it needs one. */
  term?: Term;
}

export function factsOf(token: Token): Fact[] {
  const { position, logprob, generated, details, edited, speaker } = token;
  const facts: Fact[] = [{ name: SAY.position, value: String(position) }];
  if (details.token_id !== undefined) facts.push({ name: SAY.id, value: String(details.token_id) });
  if (logprob !== null) {
    const value = SAY.log(percent(Math.exp(logprob)), short(logprob));
    facts.push({ name: SAY.probability, value, term: "probability" });
  }
  if (details.template) facts.push({ name: SAY.fromThe, value: STAGE.template });
  else if (!generated) {
    const whose = speaker === null ? "" : ` (${sayRole(speaker)})`;
    facts.push({ name: SAY.fromThe, value: SAY.prompt + whose });
  }
  const { l0 = {}, reconstruction_error: missed = {} } = details;
  if (Object.keys(l0).length > 0) {
    facts.push({ name: "L0", value: bySource(l0, String), term: "L0" });
  }
  if (Object.keys(missed).length > 0) {
    facts.push({ name: SAY.missed, value: bySource(missed, percent), term: "missed" });
  }
  for (const { feature, before, activation } of edited) {
    const value = `${nameOf(feature)} ${short(before)} → ${short(activation)}`;
    facts.push({ name: SAY.edited, value, term: "edited" });
  }
  return facts;
}

/** `31`, or with up to four sources `31 · 12 · 9`, in their order; with more, only the range. */
function bySource(figures: Record<string, number>, say: (figure: number) => string): string {
  const all = Object.values(figures);
  if (all.length <= 4) return all.map(say).join(" · ");
  return SAY.span(say(Math.min(...all)), say(Math.max(...all)));
}

/** The line above the features of a token looked at. */
export class TokenFacts {
  private readonly line = byId("token-facts");
  private token: Token | null = null;

  show(token: Token | null): void {
    if (token === this.token) return;
    this.token = token;
    this.line.hidden = token === null;
    this.line.replaceChildren(
      ...(token ? factsOf(token) : []).map(({ name, value, term }) =>
        h("span", {}, term ? explained(term, name) : name, " ", h("b", {}, value)),
      ),
      ...alternativesOf(token),
    );
  }
}

/** The likeliest tokens where this one is, and this one among them, marked. */
export function alternativesOf(token: Token | null): HTMLElement[] {
  if (token === null || token.alternatives.length === 0) return [];
  const { text, logprob, details } = token;
  const came = { token: text, token_id: details.token_id, logprob: logprob ?? -Infinity };
  const told = token.alternatives.some(({ token_id: id }) => id === came.token_id);
  const all = told || logprob === null ? token.alternatives : [...token.alternatives, came];
  const chips = all.map((one) => {
    const share = Math.exp(one.logprob);
    const bar = h("i");
    bar.style.width = `${Math.round(100 * share)}%`;
    const marked = one.token_id === came.token_id;
    const attributes = marked ? { class: "came", "aria-current": "true", title: SAY.came } : {};
    const figure = h("span", { class: "figure" }, percent(share));
    return h(
      "li",
      attributes,
      h("span", { class: "token", dir: "auto" }, visible(one.token)),
      figure,
      bar,
    );
  });
  const list = h("ol", { class: "effects", "aria-label": SAY.likeliestTokens }, ...chips);
  return [h("div", { class: "alternatives" }, explained("alternatives", SAY.likeliest), list)];
}

export function percent(share: number): string {
  if (share > 0 && share < 0.01) return SAY.tiny;
  return `${Math.round(100 * share)}%`;
}
