/** A dialog that compares the text on show with another: an earlier one, a branch, a recording's. */
import { css, hueAmong } from "../graph/palette";
import { type Account, accountOf, type Change, compared, numberOf } from "../state/comparing";
import { nameOf } from "../state/feature";
import type { Run } from "../state/log";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import { Stream } from "../state/stream";
import type { TextName } from "../state/view";
import { COMPARE, figure, SAY } from "../words";
import { sayAccount, sayParting } from "../words/comparing";
import { parseRecording } from "../wire/recording";
import { byId, h, setText } from "./dom";
import { dotOf } from "./features";
import { visible } from "./tokens";

/** Texts that are remembered, and features listed on each side. */
const MOST = 12;
const LISTED = 12;
/** Tokens shown before the one where the texts part. */
const BEFORE = 12;
const AFTER = 36;

export class Comparing {
  private readonly dialog = byId("compare-dialog", HTMLDialogElement);
  private readonly choice = h("select");
  private readonly problem = h("p", { class: "problem", role: "alert", hidden: "" });
  private readonly result = h("div", { class: "comparison" });
  /** Of texts that were on show to their end, the newest last, and of files. */
  private kept: Account[] = [];
  private others: Account[] = [];
  private one: Account | null = null;

  constructor(private readonly store: Store) {
    const file = h("input", { type: "file", accept: ".jsonl,.ndjson,.json,.txt", hidden: "" });
    const open = h("button", { type: "button", class: "small" }, COMPARE.file);
    file.setAttribute("aria-label", COMPARE.file);
    open.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      const [chosen] = file.files ?? [];
      file.value = "";
      if (chosen) void this.take(chosen);
    });
    this.choice.addEventListener("change", () => this.draw());
    this.dialog.addEventListener("close", () => store.look({ compare: null }));
    const label = h("label", {}, `${COMPARE.other} `, this.choice);
    const close = h("button", { type: "submit" }, SAY.close);
    const form = h("form", { method: "dialog", class: "buttons-row" }, close);
    this.dialog.setAttribute("aria-labelledby", "compare-title");
    this.dialog.append(
      h("h2", { id: "compare-title" }, COMPARE.title),
      h("div", { class: "choice" }, label, open, file),
      this.problem,
      this.result,
      form,
    );
    follow(() => this.keep());
    follow(() => this.recall());
  }

  /** Opens the dialog, with the text on show as it is now. */
  open(): void {
    this.begin(this.shown);
  }

  private begin(one: Account | null, other?: Account): void {
    this.one = one;
    this.offer(other?.of);
    this.problem.hidden = true;
    this.dialog.showModal();
    this.draw();
  }

  /** Opens the dialog with the texts that the address names, once their recording is there. */
  private recall(): void {
    const { store } = this;
    const { compare } = store.view;
    if (compare === null || store.playhead.runs === 0 || this.dialog.open) return;
    untracked(() => {
      const { runs } = store.session.stream;
      const [one, other] = compare.map((name) => accountNamed(runs, name));
      if (!one || !other) {
        store.look({ compare: null });
        return;
      }
      const [{ run, branch }] = compare;
      if (run !== store.playhead.run) {
        store.playhead.go(run - store.playhead.run);
        store.playhead.toEnd();
      }
      store.playhead.choose(branch);
      this.begin(one, other);
    });
  }

  /** The address names both texts, if both are whole texts of the recording on show. */
  private name(one: Account, other: Account): void {
    const { session, playhead } = this.store;
    const runs = playhead.runs > 0 ? session.stream.runs : [];
    const [a, b] = [one, other].map((account) => nameOfText(runs, account));
    this.store.look({ compare: a && b ? [a, b] : null });
  }

  /** The text on show, as far as it is shown. */
  private get shown(): Account | null {
    const { session } = this.store;
    return session.log && session.tokens.length > 0
      ? accountOf(session.run, session.log, session.tokens)
      : null;
  }

  private keep(): void {
    const { session } = this.store;
    const ended = session.phase === "finished" || session.phase === "stopped";
    const number = ended && session.log ? numberOf(session.log) : null;
    if (number === null || this.kept.some(({ of }) => of === number)) return;
    const account = this.shown;
    if (account) this.kept = [...this.kept, account].slice(-MOST);
  }

  /** All that the text on show can be compared with: its own branches and runs first. */
  private offer(chosen?: number): void {
    const { session } = this.store;
    const beside = Array.from({ length: session.width }, (_, branch) => {
      const log = session.branchLog(branch);
      return log && log.tokens.length > 0 ? [accountOf(session.run, log)] : [];
    }).flat();
    const recorded = this.store.origin === "recording" ? accountsOf(session.stream.runs) : [];
    const all = [...beside, ...recorded, ...this.kept.toReversed()];
    this.others = all.filter(
      ({ of }, i) => of !== this.one?.of && all.findIndex((other) => other.of === of) === i,
    );
    this.choice.replaceChildren(
      ...this.others.map((other) => h("option", { value: String(other.of) }, sayAccount(other))),
    );
    if (chosen !== undefined) this.choice.value = String(chosen);
  }

  private async take(file: File): Promise<void> {
    try {
      const stream = new Stream();
      for (const { frame, time } of parseRecording(await file.text()).frames) {
        stream.apply(frame, time);
      }
      const found = accountsOf(stream.runs);
      if (found.length === 0) throw new Error(COMPARE.noRun);
      this.kept = [...this.kept, ...found].slice(-MOST);
      this.problem.hidden = true;
      this.offer(found[0]?.of);
      this.draw();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      setText(this.problem, COMPARE.notRead(file.name, reason));
      this.problem.hidden = false;
    }
  }

  private draw(): void {
    const { one, others } = this;
    const other = others.find(({ of }) => String(of) === this.choice.value);
    if (!one || !other) {
      this.result.replaceChildren(h("p", { class: "quiet" }, COMPARE.nothing));
      return;
    }
    this.name(one, other);
    const { parting, rose, fell, comparable } = compared(one, other);
    const [here, there] = [one, other].map(({ tokens }) => tokens[parting]);
    this.result.replaceChildren(
      h("p", { class: "parting" }, sayParting(parting, shown(here), shown(there))),
      textOf(COMPARE.here, one, parting),
      textOf(sayAccount(other), other, parting),
      ...(comparable
        ? [
            this.listOf(COMPARE.rose, rose),
            this.listOf(COMPARE.fell, fell),
            h("p", { class: "quiet method" }, COMPARE.method),
          ]
        : [h("p", { class: "quiet method" }, COMPARE.incomparable)]),
    );
  }

  private listOf(title: string, changes: readonly Change[]): HTMLElement {
    const sources = this.store.sourceIds();
    const rows = changes.slice(0, LISTED).map(({ feature, before, after }) => {
      const name = h("button", { type: "button", class: "plain" }, nameOf(feature));
      name.addEventListener("click", () => {
        this.dialog.close();
        const { key, source, id, label } = feature;
        if (this.store.session.feature(key)) this.store.choose(key);
        else this.store.chooseUnseen(source, id, label);
      });
      return h(
        "li",
        {},
        dotOf(css(hueAmong(sources, feature.source))),
        name,
        h("span", { class: "quiet" }, `${feature.source} #${feature.id}`),
        h("span", { class: "figure" }, COMPARE.change(share(before), share(after))),
      );
    });
    const list = rows.length > 0 ? h("ol", {}, ...rows) : h("p", { class: "quiet" }, COMPARE.none);
    return h("section", {}, h("h3", {}, title), list);
  }
}

function accountsOf(runs: readonly Run[]): Account[] {
  return runs.flatMap((run) =>
    Array.from({ length: run.width }, (_, branch) => run.branch(branch))
      .filter(({ tokens }) => tokens.length > 0)
      .map((log) => accountOf(run.settings, log)),
  );
}

/** The account of a whole text of a recording; null if there is none. */
function accountNamed(runs: readonly Run[], { run: number, branch }: TextName): Account | null {
  const run = runs[number];
  const log = run && branch < run.width ? run.branch(branch) : null;
  return run && log && log.tokens.length > 0 ? accountOf(run.settings, log) : null;
}

/** Which whole text of these runs an account is of; null if of none. */
function nameOfText(runs: readonly Run[], { of, tokens }: Account): TextName | null {
  for (const [run, { width }] of runs.entries()) {
    for (let branch = 0; branch < width; branch += 1) {
      const log = runs[run]?.branch(branch);
      const same = log && numberOf(log) === of;
      if (same) return log.tokens.length === tokens.length ? { run, branch } : null;
    }
  }
  return null;
}

/** A text around the word where it parts from the other. */
function textOf(title: string, { tokens }: Account, parting: number): HTMLElement {
  const from = Math.max(0, parting - BEFORE);
  const to = from + BEFORE + AFTER;
  const words = tokens
    .slice(from, to)
    .map((token, i) => (from + i === parting ? h("mark", {}, token) : token));
  const [before, after] = [from > 0 ? "… " : "", to < tokens.length ? " …" : ""];
  return h("section", {}, h("h3", {}, title), h("p", { class: "text" }, before, ...words, after));
}

function shown(token: string | undefined): string | null {
  return token === undefined ? null : visible(token);
}

/** Means are small: they need a decimal. */
function share(value: number): string {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return figure(value, { style: "percent", ...digits });
}
