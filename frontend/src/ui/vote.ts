/** The hall's vote: the question with its bars for all, and what the presenter asks with. */
import { featureKey, nameOf } from "../state/feature";
import { follow } from "../state/signals";
import { type Store, tokenOf } from "../state/store";
import type { QuestionRequest } from "../wire/hall";
import type { Asked, Edit, OutcomeFrame, Votes } from "../wire/types";
import { HALL, TURNS } from "../words";
import { byId, h, setText } from "./dom";
import { percent } from "./tokens";

const MOST_OPTIONS = 8;
/** Characters that the server takes of an option's text. */
const LONGEST = 100;
const LONGEST_WORD = 32;

export class VoteCard {
  private readonly element = byId("hall");
  private readonly title = h("h2");
  private readonly told = h("p", { class: "quiet", role: "status" });
  private readonly ballot = h("div", { class: "ballot" });
  private readonly words = h("div", { class: "ballot" });
  private readonly field = h("input", {
    type: "text",
    maxlength: String(LONGEST_WORD),
    autocomplete: "off",
    "aria-label": HALL.word,
    placeholder: HALL.word,
  });
  private readonly form = h("form", {}, this.field, h("button", { type: "submit" }, HALL.send));
  private readonly end = h("button", { type: "button" });
  private readonly apply = h("button", { type: "button", class: "primary" });
  private readonly dismiss = h("button", { type: "button" }, HALL.dismiss);
  /** Hides what comes after the token that is guessed. */
  private readonly curtain = new CSSStyleSheet();

  constructor(private readonly store: Store) {
    const { hall } = store.room;
    const buttons = h("div", { class: "row-of-buttons" }, this.apply, this.end, this.dismiss);
    this.element.setAttribute("aria-label", HALL.title);
    this.element.append(this.title, this.told, this.ballot, this.words, this.form, buttons);
    document.adoptedStyleSheets.push(this.curtain);
    this.ballot.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button) hall.vote(Number(button.value));
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const word = this.field.value.trim();
      if (word !== "") hall.vote(word);
    });
    this.end.addEventListener("click", () => {
      this.endVote();
    });
    this.apply.addEventListener("click", () => {
      const edit = winner(hall.outcome)?.edit;
      if (edit) this.applyEdit(edit);
    });
    this.dismiss.addEventListener("click", () => hall.putAway());
    follow(this.update);
    follow(this.reveal);
  }

  private get presents(): boolean {
    return this.store.presence?.role === "presenter";
  }

  /** What of a run on show the hall has decided, in a recording; in the room, what has just ended. */
  private get outcome(): OutcomeFrame | null {
    const { store } = this;
    if (store.origin !== "recording") return store.room.hall.outcome;
    return store.session.decidedAt(store.playhead.at + 1);
  }

  private readonly update = (): void => {
    const { store, outcome } = this;
    const { asked: open, votes, choice } = store.room.hall;
    const live = store.origin !== "recording";
    const asked = live && open ? open : (outcome?.question ?? null);
    this.element.hidden = asked === null;
    if (asked === null) return;
    const voting = asked === open;
    const counted: Votes = voting ? votes : (outcome ?? votes);
    setText(this.title, asked.text || HALL[asked.kind]);
    setText(this.told, voting ? HALL.votes(counted.votes) : sayOutcome(outcome));
    this.draw(asked, counted, voting ? choice : null, voting);
    this.form.hidden = !voting || asked.kind !== "guess";
    this.end.hidden = !voting || !this.presents;
    setText(this.end, asked.kind === "guess" ? HALL.reveal : HALL.close);
    const won = voting || !live ? undefined : winner(outcome);
    this.apply.hidden = !this.presents || won?.edit === undefined;
    setText(this.apply, HALL.apply(won?.text ?? ""));
    this.dismiss.hidden = voting || !live;
  };

  private draw(asked: Asked, counted: Votes, choice: unknown, voting: boolean): void {
    const { options, words, votes } = counted;
    const came = voting ? null : (this.outcome?.answer ?? null);
    const share = (count: number): number => (votes === 0 ? 0 : count / votes);
    const rows = asked.options.map(({ text }, i) => {
      const count = options[i] ?? 0;
      const shown = asked.kind === "guess" ? text.trim() : text;
      const own = choice === i || (typeof choice === "string" && same(choice, text));
      const attributes: Record<string, string> = voting
        ? { type: "button", value: String(i), "aria-pressed": String(own) }
        : { class: came !== null && same(came, text) ? "came" : "" };
      attributes["aria-label"] = HALL.bar(shown, count, percent(share(count)));
      return bar(voting ? "button" : "div", attributes, shown, count, share(count));
    });
    keep(this.ballot, rows);
    const typed = words.map(({ word, votes: count }) => {
      const right = came !== null && same(came, word);
      return bar("div", { class: right ? "came" : "" }, word, count, share(count));
    });
    this.words.hidden = typed.length === 0;
    this.words.replaceChildren(...typed);
  }

  /** The word that was guessed is shown: at the presenter, the vote ends with it. */
  private readonly reveal = (): void => {
    const { store } = this;
    const { asked } = store.room.hall;
    const position = asked?.kind === "guess" ? asked.position : undefined;
    const tokens = store.live.branchLog(asked?.branch ?? 0)?.tokens ?? [];
    const last = tokens.at(-1);
    const index = position === undefined || !last ? null : last.index + position - last.position;
    const curtained = index !== null && store.origin !== "recording";
    this.curtain.replaceSync(curtained ? curtainAt(index) : "");
    if (index === null || !curtained || !this.presents) return;
    // Reading the playhead follows it.
    if (store.session === store.live && store.playhead.at >= index) this.endVote();
  };

  /** Ends the vote; a guess is answered with the token that came. */
  private endVote(): void {
    const { store } = this;
    const { asked } = store.room.hall;
    if (!asked) return;
    const log = store.live.branchLog(asked.branch ?? 0);
    const came = log?.tokens.find(({ position }) => position === asked.position);
    store.room.hall.close(asked.kind === "guess" ? (came?.text ?? null) : null);
  }

  /** Turns the winner on, beside what is turned already. */
  private applyEdit(edit: Edit): void {
    const { reach } = this.store;
    const { source, feature: id, set, scale, add, swap_with } = edit;
    const given = Object.entries({ set, scale, add, swap_with });
    const change = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    reach.turn({ source, id }, change);
    this.store.room.hall.putAway();
  }
}

/** The option with most votes; undefined if nobody has voted. The first of several counts. */
function winner(outcome: OutcomeFrame | null): Asked["options"][number] | undefined {
  const most = Math.max(0, ...(outcome?.options ?? []));
  return most === 0 ? undefined : outcome?.question.options[outcome.options.indexOf(most)];
}

function sayOutcome(outcome: OutcomeFrame | null): string {
  if (!outcome) return "";
  const { question, options, words, votes, answer } = outcome;
  if (votes === 0) return HALL.nobody;
  if (answer === null) return `${HALL.ended} ${HALL.votes(votes)}`;
  const index = question.options.findIndex(({ text }) => same(text, answer));
  const typed = words.find(({ word }) => same(word, answer))?.votes ?? 0;
  return `${HALL.answer(answer.trim())} ${HALL.guessed((options[index] ?? 0) + typed, votes)}`;
}

/** Words are compared as the server counts them. */
function same(a: string, b: string): boolean {
  const fold = (word: string): string => word.trim().toLowerCase();
  return fold(a) === fold(b);
}

function bar(
  tag: "button" | "div",
  attributes: Record<string, string>,
  text: string,
  count: number,
  share: number,
): HTMLElement {
  const fill = h("i");
  // Not in the markup, where the page's policy forbids it.
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  return h(
    tag,
    attributes,
    fill,
    h("span", {}, text),
    h("span", { class: "count" }, String(count)),
  );
}

/** Puts rows in place of others without taking the focus from a button. */
function keep(place: HTMLElement, rows: readonly HTMLElement[]): void {
  const focused = [...place.children].indexOf(document.activeElement ?? place);
  place.replaceChildren(...rows);
  rows[focused]?.focus();
}

/** The style that hides the tokens from an index on. */
function curtainAt(index: number): string {
  const chip = `[data-index="${index}"]`;
  return `#text ${chip}, #text ${chip} ~ *, #text :has(> ${chip}) ~ * {visibility:hidden}`;
}

/** The presenter's button and dialog. */
export function offerVotes(store: Store): void {
  const { hall } = store.room;
  const button = h("button", { type: "button", id: "ask", title: HALL.askHelp }, HALL.ask);
  byId("hall-tools").append(button);
  const text = h("input", {
    type: "text",
    maxlength: "200",
    "aria-label": HALL.question,
    placeholder: HALL.question,
  });
  const change = h("select", { "aria-label": HALL.change });
  for (const [i, { name, scale }] of TURNS.entries()) {
    if (scale !== null) change.append(h("option", { value: String(i) }, name));
  }
  const list = h("fieldset", {}, h("legend", {}, HALL.which));
  const turn = h("button", { type: "submit", class: "primary" }, HALL.turnStart);
  const guess = h("button", { type: "button", title: HALL.guessHelp }, HALL.guessStart);
  const problem = h("p", { class: "problem", role: "alert" });
  const cancel = h("button", { type: "button" }, HALL.cancel);
  const buttons = h("div", {}, turn, guess, cancel);
  const form = h("form", {}, text, list, change, problem, buttons);
  const dialog = h("dialog", { id: "ask-dialog", "aria-labelledby": "ask-title" });
  dialog.append(h("h2", { id: "ask-title" }, HALL.ask), form);
  document.body.append(dialog);
  const say = (words: string): void => setText(problem, words);
  const ask = (question: Omit<QuestionRequest, "type" | "text">): void => {
    if (hall.send({ type: "question", text: text.value.trim(), ...question })) dialog.close();
  };
  button.addEventListener("click", () => {
    say("");
    list.replaceChildren(h("legend", {}, HALL.which), ...candidates(store));
    dialog.showModal();
  });
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = [...list.querySelectorAll<HTMLInputElement>("input:checked")];
    const done = TURNS[Number(change.value)];
    if (wanted.length === 0 || !done) say(HALL.noFeatures);
    else {
      const options = wanted.slice(0, MOST_OPTIONS).map(({ value, dataset }) => {
        const [source = "", id = ""] = value.split("\n");
        const edit: Edit = {
          source,
          feature: Number(id),
          scale: done.scale ?? 1,
          where: "while_firing",
        };
        return { text: `${dataset.name ?? ""} ${done.name.toLowerCase()}`.slice(0, LONGEST), edit };
      });
      ask({ kind: "turn", options });
    }
  });
  guess.addEventListener("click", () => {
    const token = store.origin === "live" ? tokenOf(store) : null;
    const likely = token?.details.alternatives ?? [];
    if (!token || likely.length === 0) {
      say(HALL.noGuess);
      return;
    }
    // Whatever comes: it stands here until the hall has guessed.
    store.playhead.lookAt(token.index);
    const options = likely.slice(0, MOST_OPTIONS).map(({ token: word }) => ({ text: word }));
    ask({
      kind: "guess",
      options: options.filter(({ text: word }) => word.trim() !== "" && word.length <= LONGEST),
      branch: store.session.branch,
      position: token.position + 1,
    });
  });
  follow(() => {
    button.hidden = store.presence?.role !== "presenter" || store.connection.state !== "open";
    button.disabled = hall.asked !== null;
  });
}

/** What the hall may choose from: the chosen feature, the pinned ones, the strongest of the token. */
function candidates(store: Store): HTMLElement[] {
  const chosen = store.chosen;
  const pinned = [...store.pinned].flatMap((key) => store.session.feature(key) ?? []);
  const firing = store.strongest.map(({ feature }) => feature);
  const all = new Map(
    [...(chosen ? [chosen] : []), ...pinned, ...firing].map((one) => [
      featureKey(one.source, one.id),
      one,
    ]),
  );
  const rows = [...all.values()].slice(0, MOST_OPTIONS).map((one) => {
    const box = h("input", { type: "checkbox", value: `${one.source}\n${one.id}`, checked: "" });
    box.dataset.name = nameOf(one);
    return h("label", {}, box, nameOf(one));
  });
  return rows.length > 0 ? rows : [h("p", { class: "quiet" }, HALL.noFeatures)];
}
