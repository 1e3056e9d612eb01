/** Rows of causes: what speaks for a word, and what a removal does further on. */
import { css, hueAmong } from "../graph/palette";
import { featureKey } from "../state/feature";
import type { Problem } from "../state/log";
import { shownLabel } from "../state/own-labels";
import type { Store } from "../state/store";
import { type Answer, losses, removalKey, type Step } from "../state/why";
import type { PathEffect, Removal } from "../wire/causes";
import type { Effect } from "../wire/types";
import { mayGenerate, sayProblem } from "../words/status";
import { signed } from "../words/why";
import { figure, SAY, WHY } from "../words";
import { h, setText, short } from "./dom";
import { dotOf } from "./features";
import { percent, shownText } from "./tokens";

/** A cause, or a feature further on that a removal reaches. */
export interface Cause {
  removal: Removal;
  label: string | null;
  /** What silencing it alone does to the word; null if that was not tried. */
  effect: Effect | null;
  /** Its activation before and after the removal of the one above it. */
  change: PathEffect | null;
}

/** A feature that a removal reaches, and what was measured of it on the word. */
export function furtherOn(source: string, change: PathEffect, { effects }: Answer): Cause {
  const { feature, position, label = null } = change;
  const removal = { source, feature, position };
  const key = removalKey(removal);
  const effect = effects.find((one) => removalKey(one) === key) ?? null;
  return { removal, label, effect, change };
}

/** The change of the word's log-probability, or of its logit less the rival's. */
export type Measure = "logprob" | "logit";

/** The effects, the strongest first by either measure; the server has ordered them by the first. */
export function ordered(effects: Effect[], by: Measure): Effect[] {
  return by === "logprob" ? effects : effects.sort((a, b) => Math.abs(b.logit) - Math.abs(a.logit));
}

/** What the bars show, and the largest of it. */
interface Scale {
  by: Measure;
  most: number;
}

/** Of a text with so many tokens, the share at which a feature fires all over it. */
const [MANY, OFTEN] = [8, 0.25];

/** One cause: pressed, it shows what follows from it. */
export class CauseRow {
  private readonly dot = h("span", { class: "dots" });
  private readonly name = h("span", { class: "name", dir: "auto" });
  private readonly where = h("span", { class: "where quiet" });
  private readonly figure = h("span", { class: "figure" });
  private readonly bar = h("i");
  private readonly button = h(
    "button",
    { type: "button", class: "cause", "aria-expanded": "false" },
    this.dot,
    this.name,
    this.figure,
    this.where,
    h("span", { class: "bar" }, this.bar),
  );
  private readonly note = h("p", { class: "quiet note" });
  readonly further = h("ol", { class: "causes" });
  private readonly silence = h("button", { type: "button", class: "small" }, WHY.silence);
  private readonly step = h(
    "div",
    { class: "step", hidden: "" },
    this.note,
    this.further,
    this.silence,
  );
  readonly element = h("li", {}, this.button, this.step);

  constructor(toggle: () => void, silence: () => void) {
    this.button.addEventListener("click", toggle);
    this.silence.addEventListener("click", silence);
  }

  show(cause: Cause, answer: Answer, store: Store, { most, by }: Scale, open: boolean): void {
    const { removal, effect, change } = cause;
    const name = nameOf(store, {
      ...removal,
      ...(cause.label === null ? {} : { label: cause.label }),
    });
    const hue = css(hueAmong(store.sourceIds(), removal.source));
    if (this.dot.dataset.hue !== hue) {
      this.dot.dataset.hue = hue;
      this.dot.replaceChildren(dotOf(hue));
    }
    setText(this.name, name);
    const place = placeOf(removal, answer);
    const lost = change ? ` · ${short(change.before)} → ${short(change.after)}` : "";
    setText(
      this.where,
      `${place} · ${layerOf(store, removal.source)}${lost}${oftenOf(store, removal)}`,
    );
    const odds = effect ? oddsOf(effect, answer) : WHY.untried;
    setText(this.figure, odds);
    const against = (effect?.[by] ?? 0) > 0;
    this.button.classList.toggle("against", against);
    this.bar.style.width = `${Math.round((100 * Math.abs(effect?.[by] ?? 0)) / most)}%`;
    const speaks = against ? WHY.speaksAgainst : WHY.speaksFor;
    const measured = effect
      ? WHY.measured(speaks, odds, signed(effect.logprob), signed(effect.logit))
      : odds;
    this.button.title = `${removal.source} #${removal.feature}: ${measured}`;
    this.button.setAttribute("aria-description", measured);
    this.button.setAttribute("aria-expanded", String(open));
    this.step.hidden = !open;
    this.silence.disabled = !mayGenerate(store) || store.backend.state === "off";
    const { source, feature } = removal;
    const done = store.reach.edits.some((one) => one.source === source && one.feature === feature);
    this.silence.setAttribute("aria-pressed", String(done));
  }

  /** Says what is known of the path from here. */
  say(step: Step | undefined, sources: readonly string[]): void {
    if (step === undefined || step === "asking")
      setText(this.note, step === undefined ? "" : WHY.asking);
    else if ("problem" in step) setText(this.note, sayWhyNot(step.problem));
    else if (step.path === null) setText(this.note, WHY.last);
    else if (losses(step.path).length === 0) setText(this.note, WHY.nothingNext);
    else setText(this.note, `${WHY.next} ${shortSource(step.path.source, sources)}:`);
    this.note.hidden = this.note.textContent === "";
  }
}

/** "78% → 12%": the word's probability as it was, and without the feature. */
function oddsOf({ logprob }: Effect, { explaining, subject }: Answer): string {
  const before = explaining?.target.logprob ?? subject.token.logprob;
  if (before === null) return signed(logprob);
  return `${fine(Math.exp(before))} → ${fine(Math.min(1, Math.exp(before + logprob)))}`;
}

/** A probability; small ones with one digit, for the causes of a word differ there. */
function fine(share: number): string {
  if (share >= 0.01 || share === 0) return percent(share);
  return share < 1e-6 ? WHY.tiny : `${figure(100 * share, { maximumSignificantDigits: 1 })}%`;
}

function placeOf({ position }: Removal, { subject }: Answer): string {
  if (position === null) return WHY.everywhere;
  const token = subject.log.tokens.find((one) => one.position === position);
  return token ? WHY.atToken(shownText(token)) : WHY.atPosition(position);
}

/** Says so of a feature that fires all over the text: without it, most words are less likely. */
function oftenOf({ session }: Store, { source, feature }: Removal): string {
  const seen = session.feature(featureKey(source, feature));
  const times = seen ? session.timesOf(seen) : 0;
  const often = session.told >= MANY && times >= OFTEN * session.told;
  return often ? ` · ${WHY.often(times, session.told)}` : "";
}

function layerOf(store: Store, source: string): string {
  return shortSource(source, store.sourceIds());
}

/** `2-res` for `axon-demo/2-res`, where all sources are of one model. */
function shortSource(source: string, sources: readonly string[]): string {
  const model = source.slice(0, source.indexOf("/") + 1);
  return sources.every((one) => one.startsWith(model)) ? source.slice(model.length) : source;
}

export function nameOf(
  store: Store,
  { source, feature, label }: Removal & { label?: string },
): string {
  const key = featureKey(source, feature);
  const known = shownLabel(key, label) ?? store.labelOf(key);
  return known ?? SAY.feature(feature);
}

export function sayWhyNot(problem: Problem): string {
  return problem.code === "answer_lost" ? `${WHY.lost}: ${problem.message}.` : sayProblem(problem);
}
