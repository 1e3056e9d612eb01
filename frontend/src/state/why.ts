/**
 * Why a token came: the question, and what has been measured so far. Whatever is here was measured:
 * the model ran again without that feature.
 */
import type { AskWhy } from "../net/why";
import type {
  AnswerEvent,
  ExplainRequest,
  Explaining,
  Path,
  PathEffect,
  Removal,
} from "../wire/causes";
import type { Alternative, Causes, Coverage, Edit, Effect } from "../wire/types";
import { featureKey } from "./feature";
import type { Log, Problem, Token } from "./log";
import { batch, signal } from "./signals";
import type { Store } from "./store";

/** Features that lose activation, of those that a path tells. */
const MOST_STEPS = 6;
/** Below this change of the log-probability, nothing speaks strongly for a token. */
export const STRONG = 0.1;

/** The token that is explained. */
export interface Subject {
  log: Log;
  branch: number;
  token: Token;
}

export interface Answer {
  subject: Subject;
  /** Told with the run, not asked for. */
  live: boolean;
  state: "asking" | "done" | "failed";
  problem: Problem | null;
  explaining: Explaining | null;
  rival: Alternative | null;
  coverage: Coverage | null;
  /** The strongest first. */
  effects: readonly Effect[];
}

/** What a removal does to the next source, as far as it is known. */
export type Step = "asking" | { path: Path | null } | { problem: Problem };

/** Names a removal, among those of one question. */
export function removalKey({ source, feature, position }: Removal): string {
  return `${featureKey(source, feature)}@${position ?? ""}`;
}

/** The features of the next source that lose activation, the largest loss first. */
export function losses({ effects }: Path): PathEffect[] {
  return effects
    .filter(({ before, after }) => after < before)
    .sort((a, b) => b.before - b.after - (a.before - a.after))
    .slice(0, MOST_STEPS);
}

/** The strongest effect that speaks for the token; undefined if none does. */
export function strongestFor(effects: readonly Effect[]): Effect | undefined {
  return effects.find(({ logprob }) => logprob < 0);
}

/** Leaves out the sum over all positions where it says no more than the only position does. */
export function distinct(effects: readonly Effect[]): Effect[] {
  const same = (a: Effect, b: Effect): boolean =>
    a.source === b.source && a.feature === b.feature && Math.abs(a.logprob - b.logprob) < 1e-6;
  const single = effects.filter(({ position }) => position !== null);
  return effects.filter(
    (one) => one.position !== null || !single.some((other) => same(one, other)),
  );
}

export class Why {
  private readonly given = signal<Answer | null>(null);
  private readonly followed = signal<ReadonlyMap<string, Step>>(new Map());
  private readonly pointed = signal<number | null>(null);
  private request: ExplainRequest | null = null;
  /** Ends what is being asked. */
  private cancel = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly send: AskWhy,
  ) {}

  /** The answer so far; null while nothing is asked. */
  get answer(): Answer | null {
    return this.given.value;
  }

  /** By `removalKey`. */
  get steps(): ReadonlyMap<string, Step> {
    return this.followed.value;
  }

  /** The position of the cause that was chosen last. */
  get marked(): number | null {
    return this.pointed.value;
  }

  /** The token that can be asked about: the one looked at, if it is not the first. */
  get subject(): Subject | null {
    const { session, playhead } = this.store;
    const { token } = playhead;
    const { log } = session;
    if (token === null || log === null || token.position === 0) return null;
    return { log, branch: session.branch, token };
  }

  /** Whether the server can be asked about a token. */
  mayAsk({ log, token }: Subject): boolean {
    const { session, backend, model } = this.store;
    if (backend.state !== "ready" || model === null || model.maxRemovals === 0) return false;
    if (session.run?.model !== model.model) return false;
    return idsOf(log, token) !== null;
  }

  /** What the run itself has told of a token: undefined if nothing, null if it had no time. */
  told({ log, token }: Subject): Causes | null | undefined {
    return log.causesAt(token.position);
  }

  /** Explains the token looked at: from the run itself if that has told it, else the server. */
  open(): void {
    const { subject } = this;
    if (subject === null) return;
    const told = this.told(subject);
    if (told) this.show(subject, told);
    else this.ask(subject, {});
  }

  /** Asks again: compared with another token, or with more removals. */
  again(change: { rival?: number; limit?: number }): void {
    const { answer } = this;
    if (answer) this.ask(answer.subject, change);
  }

  close(): void {
    this.cancel.abort();
    batch(() => {
      this.given.value = null;
      this.followed.value = new Map();
      this.pointed.value = null;
    });
  }

  /** Chooses the feature of a cause, and marks its token. */
  choose({ source, feature: id, position }: Removal, label: string | null): void {
    const key = featureKey(source, id);
    batch(() => {
      this.pointed.value = position;
      if (this.store.session.feature(key)) this.store.choose(key);
      else this.store.chooseUnseen(source, id, label ?? this.store.labelOf(key));
    });
  }

  /** Asks what a removal does to the features of the next source, once. */
  async unfold(removal: Removal): Promise<void> {
    const key = removalKey(removal);
    const { answer } = this;
    if (answer === null || this.steps.has(key) || !this.mayAsk(answer.subject)) return;
    this.know(key, "asking");
    let found: Step = { path: null };
    const { source, feature, position } = removal;
    const path = { source, feature, position };
    // One removal is the least that can be asked for beside it.
    const request = { ...this.requestFor(answer.subject), limit: 1, path };
    const { signal: cancelled } = this.cancel;
    await this.send(
      request,
      (event) => {
        if (event.type === "path") found = { path: event };
        else if (event.type === "error") found = { problem: problemOf(event) };
      },
      cancelled,
    );
    if (!cancelled.aborted) this.know(key, found);
  }

  private show(subject: Subject, causes: Causes): void {
    this.close();
    const { rival, effects, ...coverage } = causes;
    this.request = this.requestFor(subject);
    this.given.value = {
      subject,
      live: true,
      state: "done",
      problem: null,
      explaining: null,
      rival,
      coverage,
      effects,
    };
  }

  private ask(subject: Subject, { rival, limit }: { rival?: number; limit?: number }): void {
    this.close();
    this.cancel = new AbortController();
    this.request = {
      ...this.requestFor(subject),
      progress: true,
      ...(rival === undefined ? {} : { rival: { token_id: rival } }),
      ...(limit === undefined ? {} : { limit }),
    };
    this.given.value = {
      subject,
      live: false,
      state: "asking",
      problem: null,
      explaining: null,
      rival: null,
      coverage: null,
      effects: [],
    };
    const { signal: cancelled } = this.cancel;
    const taking = new Taking((change) => {
      const { answer } = this;
      if (answer && !cancelled.aborted) this.given.value = { ...answer, ...change };
    });
    void this.send(this.request, (event) => taking.take(event), cancelled);
  }

  private requestFor({ log, token }: Subject): ExplainRequest {
    const { model } = this.store;
    const several = model !== null && model.models.length > 1;
    const sources = this.store.wantedSources();
    const edits = editsBefore(log, token.position);
    return {
      token_ids: idsOf(log, token) ?? [],
      position: token.position,
      prompt_tokens: Math.min(log.given, token.index + 1),
      ...(several ? { model: model.model } : {}),
      ...(sources ? { sources } : {}),
      ...(edits.length > 0 ? { edits } : {}),
    };
  }

  private know(key: string, step: Step): void {
    this.followed.value = new Map([...this.followed.peek(), [key, step]]);
  }
}

/** Puts an answer together from its events. */
class Taking {
  private readonly measured = new Map<string, Effect>();
  private readonly final: Effect[] = [];

  constructor(private readonly change: (change: Partial<Answer>) => void) {}

  take(event: AnswerEvent): void {
    switch (event.type) {
      case "explaining": {
        const { active, tried, rival } = event;
        const coverage = { active, tried, agreement: null };
        this.change({ explaining: event, rival, coverage });
        break;
      }
      case "effects":
        for (const effect of event.effects) this.measured.set(removalKey(effect), effect);
        this.change({ effects: byStrength([...this.measured.values()]) });
        break;
      case "effect":
        this.final.push(event);
        break;
      case "explained": {
        const { active, tried, agreement } = event;
        const coverage = { active, tried, agreement };
        this.change({ state: "done", coverage, effects: this.final });
        break;
      }
      case "error":
        this.change({ state: "failed", problem: problemOf(event) });
        break;
      case "path":
    }
  }
}

function byStrength(effects: Effect[]): Effect[] {
  return effects.sort((a, b) => Math.abs(b.logprob) - Math.abs(a.logprob));
}

function problemOf(event: Extract<AnswerEvent, { type: "error" }>): Problem {
  const { error: code, message, field, retry_after: retryAfter = null } = event;
  return { code, message, field, retryAfter };
}

/** The tokens of a branch up to and with one; null where a recording does not tell them. */
function idsOf(log: Log, token: Token): number[] | null {
  const ids = log.tokens.slice(0, token.index + 1).map(({ details }) => details.token_id);
  // What is explained is a position of the model's: the text must be here from its beginning.
  if (ids.length !== token.position + 1) return null;
  return ids.every((id) => id !== undefined) ? ids : null;
}

/** The edits under which a branch wrote its text before a position, each with where it was in force. */
export function editsBefore(log: Log, position: number): Edit[] {
  const periods = log.periods(position);
  if (periods.length < 2) return [...(periods[0]?.edits ?? [])];
  return periods.flatMap(({ from, edits }, i) => {
    const end = (periods[i + 1]?.from ?? Infinity) - 1;
    return edits.flatMap((edit): Edit[] => {
      const first = Math.max(from, edit.first_position ?? 0);
      const last = Math.min(end, edit.last_position ?? Infinity);
      if (first > last) return [];
      const until = last < Infinity ? { last_position: last } : {};
      return [{ ...edit, first_position: first, ...until }];
    });
  });
}
