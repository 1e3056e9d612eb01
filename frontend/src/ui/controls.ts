/** Prompt, Generate and Stop, and the status line. */
import type { SharedRun } from "../state/address";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import type { ModelInfo } from "../wire/model";
import { type GenerateRequest, USER } from "../wire/asking";
import { connectionOf, isBusy, mayGenerate, progressOf, statusOf } from "../words/status";
import { byId, setText } from "./dom";
import { Knobs } from "./knobs";
import type { SourcesView } from "./model";
import { keptChat, keptPrompt } from "../state/settings";
import { LINE, PAGE, SAY, STAGE } from "../words";

/** Likeliest next tokens asked for with each token. */
const ALTERNATIVES = 5;

export interface Commands {
  generate(request: GenerateRequest): void;
  stop(): void;
}

export class Controls {
  private readonly form = byId("form", HTMLFormElement);
  private readonly prompt = byId("prompt", HTMLTextAreaElement);
  private readonly promptProblem = byId("prompt-problem");
  /** Whether the model is to answer the prompt, where it can. */
  private readonly chat = byId("chat", HTMLInputElement);
  private readonly chatChoice = byId("chat-choice");
  private readonly generate = byId("generate", HTMLButtonElement);
  private readonly stop = byId("stop", HTMLButtonElement);
  private readonly status = byId("status");
  private readonly statusWords = byId("status-words");
  private readonly statusCount = byId("status-count");
  private readonly connection = byId("connection");
  private readonly loading = byId("loading", HTMLProgressElement);
  private readonly knobs = new Knobs();
  /** The model whose ranges the knobs show. */
  private adopted: ModelInfo | null = null;
  private shownProblem: unknown = null;
  /** The prompt that the page has put into the field by itself, and the run that it is of. */
  private offered: string | null;
  private offeredOf: unknown = null;

  constructor(
    private readonly store: Store,
    private readonly sources: SourcesView,
    private readonly commands: Commands,
  ) {
    this.prompt.value = this.offered = keptPrompt.load() ?? SAY.firstPrompt;
    this.chat.checked = keptChat.load() === "on";
    this.chat.addEventListener("change", () => keptChat.save(this.chat.checked ? "on" : null));
    setText(byId("chat-words"), STAGE.asConversation);
    this.chatChoice.title = STAGE.asConversationHelp;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit();
    });
    this.prompt.addEventListener("input", () => this.clearPrompt());
    this.stop.addEventListener("click", () => commands.stop());
    follow(this.update);
  }

  /** Sends what is in the fields, if that may be sent now: with these texts, or those that the edits ask for. */
  submit(texts?: Pick<GenerateRequest, "branches">): void {
    if (this.generate.disabled || this.generate.hidden) return;
    this.clearProblems();
    keptPrompt.save(this.prompt.value);
    this.offered = this.prompt.value;
    const unreadable = this.knobs.firstUnreadable();
    if (unreadable) {
      this.knobs.showProblem(unreadable, SAY.notANumber);
      return;
    }
    const wanted = this.store.wantedSources();
    const { model } = this.store;
    // Named only if there are several: the name of a single one may change with a restart.
    const named = model !== null && model.models.length > 1;
    const most = model?.maxAlternatives ?? 0;
    this.commands.generate({
      type: "generate",
      ...this.asked(),
      ...this.knobs.values(),
      ...(named ? { model: model.model } : {}),
      ...(wanted ? { sources: wanted } : {}),
      ...(most > 0 ? { alternatives: Math.min(ALTERNATIVES, most) } : {}),
      ...(texts ?? this.store.reach.request()),
    });
  }

  private asked(): Pick<GenerateRequest, "prompt" | "messages"> {
    const { value } = this.prompt;
    // An empty one is refused in words that are about the prompt.
    const answers = this.chat.checked && this.store.model?.chat && value.trim() !== "";
    return answers ? { messages: [{ role: USER, content: value }] } : { prompt: value };
  }

  /** Fills in the settings of a run; starts nothing. */
  fill({ prompt, chat, knobs }: SharedRun): void {
    this.prompt.value = prompt;
    this.chat.checked = chat;
    this.offered = null;
    this.knobs.fill(knobs);
  }

  /** Fills in a suggested prompt, and moves the focus to Generate. */
  suggest(prompt: string): void {
    this.prompt.value = prompt;
    this.offered = null;
    this.prompt.scrollTop = 0;
    this.clearPrompt();
    this.generate.focus();
    // A button that is hidden or disabled takes no focus.
    if (document.activeElement !== this.generate) this.prompt.focus();
  }

  private readonly update = (): void => {
    const { backend, connection, model } = this.store;
    if (model !== null && model !== this.adopted) {
      this.adopted = model;
      this.knobs.adopt(model);
      this.chatChoice.hidden = !model.chat;
    }
    const ready = backend.state === "ready" && connection.state === "open";
    const watching = !mayGenerate(this.store);
    document.body.classList.toggle("watching", watching);
    const running = isBusy(this.store);
    // Hiding the focused button would lose the focus.
    const focused =
      document.activeElement === this.generate || document.activeElement === this.stop;
    // In an open room, who asks meanwhile gets in line.
    const queues = running && this.store.presence?.open === true;
    const { mine } = this.store.room.hall.line;
    this.generate.hidden = (running && !queues) || (queues && mine !== null);
    this.generate.disabled = !ready || watching;
    setText(this.generate, queues ? LINE.join : PAGE.generate.text);
    this.stop.hidden = !running;
    this.stop.disabled = !ready || watching;
    if (focused) (this.generate.hidden ? this.stop : this.generate).focus();
    this.say();
    this.showProblem();
    this.offer();
  };

  /** The field shows the prompt of the room's run, whoever began it, but over nobody's own text. */
  private offer(): void {
    const run = this.store.room.run?.settings ?? null;
    if (run === this.offeredOf) return;
    this.offeredOf = run;
    if (!run || this.prompt.value !== this.offered) return;
    this.prompt.value = this.offered = run.prompt;
    this.chat.checked = run.messages !== undefined;
  }

  private say(): void {
    const status = statusOf(this.store);
    setText(this.statusWords, status.text);
    setText(this.statusCount, status.count ?? "");
    this.status.className = status.tone;
    const connection = connectionOf(this.store);
    setText(this.connection, connection.text);
    this.connection.className = `${connection.tone} ${this.store.connection.state}`;
    const { backend } = this.store;
    const share = backend.state === "loading" ? progressOf(backend.message) : null;
    this.loading.hidden = share === null;
    this.loading.value = share ?? 0;
  }

  /** Shows a new problem at its field, once: the next keystroke there removes it. */
  private showProblem(): void {
    const { problem } = this.store.room;
    if (problem === this.shownProblem) return;
    this.shownProblem = problem;
    if (problem?.field == null) return;
    if (/^(?:prompt|messages)\b/u.test(problem.field)) {
      this.promptProblem.textContent = problem.message;
      this.promptProblem.hidden = false;
      this.prompt.setAttribute("aria-invalid", "true");
      this.prompt.focus();
    } else if (problem.field === "sources") {
      this.sources.showProblem(problem.message);
    } else this.knobs.showProblem(problem.field, problem.message);
  }

  private clearProblems(): void {
    this.clearPrompt();
    this.knobs.clearProblems();
    this.sources.clearProblem();
  }

  private clearPrompt(): void {
    this.promptProblem.hidden = true;
    this.prompt.removeAttribute("aria-invalid");
  }
}
