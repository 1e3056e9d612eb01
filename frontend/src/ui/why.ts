/** The panel that says why a token came: what speaks for it, and how that came about. */
import { graphOf } from "../state/graph-export";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { type Answer, distinct, type Why } from "../state/why";
import type { Removal } from "../wire/causes";
import { isBusy } from "../words/status";
import { sayCoverage, sayWeak } from "../words/why";
import { WHY } from "../words";
import { CauseTree } from "./cause-tree";
import { type Measure, nameOf, ordered, sayWhyNot } from "./causes";
import { byId, h, isCovered, setText } from "./dom";
import { save } from "./files";
import { percent, shownText, visible } from "./tokens";

/** Causes named beside a token whose run has told them. */
const TOLD = 3;

/** The button beside the facts of a token, and what its run has told of its causes. */
export class WhyLine {
  private readonly line = byId("why-line");
  private readonly button = h(
    "button",
    { type: "button", class: "small", title: WHY.askHelp },
    WHY.ask,
  );
  private readonly told = h("span", { class: "quiet" });

  constructor(
    private readonly store: Store,
    private readonly why: Why,
  ) {
    this.line.append(this.button, " ", this.told);
    this.button.addEventListener("click", () => {
      why.open();
      byId("why").focus();
    });
    follow(this.update);
  }

  private readonly update = (): void => {
    const { why, store } = this;
    const subject = store.playhead.playing ? null : why.subject;
    const told = subject ? why.told(subject) : undefined;
    const askable = subject !== null && (Boolean(told) || why.mayAsk(subject));
    this.line.hidden = !askable && told === undefined;
    this.button.hidden = !askable;
    if (told === null) setText(this.told, askable ? "" : WHY.missed);
    else
      setText(
        this.told,
        (told?.effects ?? [])
          .filter(({ logprob }) => logprob < 0)
          .slice(0, TOLD)
          .map((one) => nameOf(store, one))
          .join(" · "),
      );
  };
}

export class WhyPanel {
  private readonly panel = byId("why");
  private readonly title = h("h2", {}, WHY.title);
  private readonly word = h("b");
  private readonly rival = h("select", { "aria-label": WHY.rather });
  private readonly question = h(
    "p",
    { class: "question" },
    this.word,
    " ",
    WHY.rather,
    " ",
    this.rival,
  );
  private readonly order = h("select", { "aria-label": WHY.order });
  private readonly status = h("p", { class: "quiet note", role: "status" });
  private readonly weak = h("p", { class: "weak", hidden: "" });
  private readonly problem = h("p", { class: "problem", role: "alert", hidden: "" });
  private readonly list = h("ol", { class: "causes", "aria-label": WHY.causes });
  private readonly method = h("p", { class: "quiet note" }, WHY.method);
  private readonly more = h("button", { type: "button", class: "small" });
  private readonly graph = h(
    "button",
    { type: "button", class: "small", title: WHY.graphHelp },
    WHY.graph,
  );
  private readonly said = h("p", { class: "quiet note", role: "status" });
  private readonly tree: CauseTree;
  private shown: Answer["subject"] | undefined;
  private marked: Element | null = null;

  constructor(
    private readonly store: Store,
    private readonly why: Why,
  ) {
    this.tree = new CauseTree(this.list, store, why, (removal) => this.silence(removal));
    const close = h("button", { type: "button", class: "small" }, WHY.close);
    close.title = WHY.closeHelp;
    close.addEventListener("click", () => this.close());
    const tools = h("div", { class: "tools" }, this.more, this.graph, this.order);
    this.panel.append(
      h("header", {}, this.title, close),
      this.question,
      this.weak,
      this.problem,
      this.list,
      this.status,
      this.method,
      tools,
      this.said,
    );
    this.order.append(
      ...Object.entries(WHY.orders).map(([value, name]) => h("option", { value }, name)),
    );
    this.order.addEventListener("change", () => this.update());
    this.rival.addEventListener("change", () => why.again({ rival: Number(this.rival.value) }));
    this.more.addEventListener("click", () => why.again({ limit: this.most }));
    this.graph.addEventListener("click", () => this.export());
    this.panel.addEventListener("keydown", (event) => this.press(event));
    // Before the window's listener, with which Escape takes back the choice.
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || why.answer === null || isCovered()) return;
      event.stopPropagation();
      this.close();
    });
    follow(this.update);
    follow(this.mark);
    // The text that it is about is no longer there.
    follow(() => {
      const { answer } = why;
      const { session } = store;
      if (answer && session.branchLog(answer.subject.branch) !== answer.subject.log) why.close();
    });
  }

  private get most(): number {
    return this.store.model?.maxRemovals ?? 0;
  }

  /** What orders the causes: the change of the log-probability, or of the logit less the rival's. */
  private get by(): Measure {
    return this.order.value === "logit" ? "logit" : "logprob";
  }

  private readonly update = (): void => {
    const { why } = this;
    const { answer } = why;
    this.panel.hidden = answer === null;
    if (answer?.subject !== this.shown) this.restart(answer?.subject);
    if (answer === null) return;
    const { token } = answer.subject;
    setText(this.word, `“${shownText(token)}”`);
    this.showRivals(answer);
    setText(this.weak, sayWeak(answer));
    this.weak.hidden = this.weak.textContent === "";
    setText(this.problem, answer.problem ? sayWhyNot(answer.problem) : "");
    this.problem.hidden = answer.problem === null;
    const { coverage, state } = answer;
    const asking = state === "asking" ? WHY.asking : answer.live ? WHY.live : "";
    const covered = coverage ? sayCoverage(coverage) : "";
    setText(this.status, [state === "asking" ? "" : covered, asking].filter(Boolean).join(" "));
    this.panel.setAttribute("aria-busy", String(state === "asking"));
    const all = ordered(distinct(answer.effects), this.by);
    this.method.hidden = all.length === 0;
    this.graph.disabled = state !== "done" || all.length === 0;
    const limit = Math.min(this.most, coverage?.active ?? 0);
    this.more.hidden =
      state !== "done" || limit <= (coverage?.tried ?? 0) || !why.mayAsk(answer.subject);
    setText(this.more, WHY.more(limit));
    this.tree.show(all, answer, this.by);
  };

  private restart(subject: Answer["subject"] | undefined): void {
    this.shown = subject;
    this.tree.clear();
    setText(this.said, "");
  }

  private silence({ source, feature: id }: Removal): void {
    this.store.reach.turn({ source, id }, { scale: 0 });
    setText(this.said, isBusy(this.store) ? "" : WHY.silenced);
  }

  private showRivals({ subject, rival, state }: Answer): void {
    const { token } = subject;
    const others = token.alternatives.filter(({ token_id: id }) => id !== token.details.token_id);
    const all =
      rival && !others.some(({ token_id: id }) => id === rival.token_id)
        ? [rival, ...others]
        : others;
    const signature = all.map(({ token_id: id }) => id).join();
    if (this.rival.dataset.of !== signature) {
      this.rival.dataset.of = signature;
      const options = all.map(({ token: text, token_id: id, logprob }) =>
        h("option", { value: String(id) }, `${visible(text)} (${percent(Math.exp(logprob))})`),
      );
      this.rival.replaceChildren(...options);
    }
    this.question.hidden = all.length === 0 && state === "asking";
    this.rival.disabled = !this.why.mayAsk(subject);
    if (rival) this.rival.value = String(rival.token_id);
  }

  /** Marks the token at which the chosen cause is. */
  private readonly mark = (): void => {
    const { answer, marked } = this.why;
    this.marked?.classList.remove("caused");
    this.marked = null;
    if (answer === null || marked === null) return;
    const { log, branch } = answer.subject;
    const index = log.tokens.findIndex(({ position }) => position === marked);
    const pane = byId("text").children[branch];
    this.marked = pane?.querySelector(`.chip[data-index="${index}"]`) ?? null;
    this.marked?.classList.add("caused");
  };

  private press(event: KeyboardEvent): void {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const buttons = [...this.list.querySelectorAll<HTMLElement>("button.cause")];
    const at = buttons.findIndex((button) => button === event.target);
    const next = at < 0 ? undefined : buttons[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  private close(): void {
    this.why.close();
    const button = byId("why-line").querySelector("button");
    (button?.checkVisibility() ? button : byId("prompt")).focus();
  }

  private export(): void {
    const { answer, steps } = this.why;
    if (answer === null) return;
    const graph = graphOf(answer, [...steps.values()], this.store.sourceIds());
    const name = `axon-why-${graph.metadata.slug}.json`;
    save(new Blob([JSON.stringify(graph, null, 1)], { type: "application/json" }), name);
  }
}
