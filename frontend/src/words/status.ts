/** Which words fit the page's state: what happens, what went wrong, what to do. */
import { isRunning, type Outcome, type Phase, type Problem, type RunSettings } from "../state/log";
import type { Store } from "../state/store";
import { KNOBS } from "../wire/model";
import { ADVICE, figure, STATUS, type ACTIONS } from ".";
import { sayAhead } from "./stage";

export interface Words {
  text: string;
  /** What follows the text and changes with every token: it is shown, but not read out. */
  count?: string;
  tone: "quiet" | "busy" | "problem";
}

/** The line under the buttons. */
export function statusOf(store: Store): Words {
  const { backend, connection, origin, room } = store;
  const { stream } = room;
  if (connection.state === "gone") return { text: connection.message, tone: "problem" };
  if (backend.state === "off") return outcome(store, store.session);
  if (backend.state === "unreachable" && connection.state !== "open") {
    const text = mayGenerate(store) ? STATUS.unreachableOwn : STATUS.unreachable;
    return { text, tone: "problem" };
  }
  if (connection.state === "waiting") {
    const text = STATUS.tryingAgain(connection.reason, Math.ceil(connection.seconds));
    return { text, tone: "problem" };
  }
  if (backend.state === "loading") return loading(store, backend.message);
  const idle = origin === "recording" || stream.phase === "idle";
  if (idle && backend.state === "ready" && backend.insteadOf !== undefined) {
    const text = STATUS.insteadOf(backend.insteadOf, backend.model.model);
    return { text, tone: "problem" };
  }
  if (origin === "recording" && !stream.problem && !isRunning(stream.phase)) {
    const text = mayGenerate(store) ? STATUS.pressGenerate : STATUS.waitForPresenter;
    return { text, tone: "quiet" };
  }
  // A text that is shown at a pace stands where it is shown.
  return outcome(store, origin === "recording" ? stream : store.session);
}

/** Whether this page may ask for a generation in its room. */
export function mayGenerate({ presence: room }: Store): boolean {
  return room?.role !== "viewer" || room.open;
}

/** Whether a generation of this page's room is asked for or runs; a recording does not count. */
export function isBusy({ room }: Store): boolean {
  return isRunning(room.phase);
}

/** How much of a download is done, 0 to 1; null if the server does not say. */
export function progressOf(message: string): number | null {
  const [, done, doneUnit, total, totalUnit] =
    /([\d.]+) ([kMGT]?B) of ([\d.]+) ([kMGT]?B)/u.exec(message) ?? [];
  const bytes = (figure?: string, unit?: string): number =>
    Number(figure) * 1000 ** ["B", "kB", "MB", "GB", "TB"].indexOf(unit ?? "");
  const share = bytes(done, doneUnit) / bytes(total, totalUnit);
  return share >= 0 && share <= 1 ? share : null;
}

/** Where a generation stands: a session's, as far as it is on show, or a stream's. */
interface Progress {
  readonly phase: Phase;
  readonly problem: Problem | null;
  readonly outcome: Outcome | null;
  readonly queuePosition: number;
  readonly run: RunSettings | null;
  readonly made: number;
}

function outcome(store: Store, session: Progress): Words {
  const { problem, phase } = session;
  if (problem && !isRunning(phase)) return { text: sayProblem(problem), tone: "problem" };
  return progress(store, session);
}

/** A model that was there before is lost; another loads for the first time. */
function loading({ session, presence: room }: Store, message: string): Words {
  const lost = session.run !== null && room !== null;
  const state = lost ? STATUS.modelGone : STATUS.notReady;
  const text = message === "" ? `${state}.` : STATUS.detail(state, message);
  return { text, tone: lost ? "problem" : "busy" };
}

function progress(store: Store, session: Progress): Words {
  const { made } = session;
  switch (session.phase) {
    case "idle":
      return { text: mayGenerate(store) ? STATUS.ready : STATUS.waitForPresenter, tone: "quiet" };
    case "requested":
      return { text: STATUS.sent, tone: "busy" };
    case "queued":
      return { text: waiting(session.queuePosition), tone: "busy" };
    case "generating": {
      const ahead = sayAhead(store);
      const count = placeOf(made, session.run?.params.max_tokens);
      return { ...(ahead ?? { text: STATUS.generating, count }), tone: "busy" };
    }
    case "stopped":
      return { text: STATUS.stopped(made), tone: "quiet" };
    case "finished":
      return { text: finished(session.outcome?.seconds ?? null, made), tone: "quiet" };
    case "failed":
      return { text: STATUS.endedEarly, tone: "problem" };
  }
}

function waiting(position: number): string {
  return position <= 0 ? STATUS.next : STATUS.ahead(position);
}

function placeOf(made: number, most: unknown): string {
  return typeof most === "number" ? STATUS.tokenOf(made, most) : STATUS.token(made);
}

function finished(seconds: number | null, made: number): string {
  return seconds === null ? STATUS.finished(made) : STATUS.finishedIn(made, inTenths(seconds));
}

function inTenths(seconds: number): string {
  if (seconds < 0.1) return STATUS.underTenth;
  const digits = seconds < 10 ? 1 : 0;
  return figure(seconds, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Errors that pass by themselves: trying again makes sense after the server's `retry_after`. */
const PASSING = new Set([
  "queue_full",
  "too_fast",
  "too_many_generations",
  "too_many_questions",
  "too_many_rooms",
  "not_ready",
  "gateway_stopping",
]);

/** Fields that have their own place for what is wrong with them. */
const NOTED = new Set<string>(["sources", ...KNOBS]);

/** Errors whose own message is shown: it says best what is wrong with which field. */
export const ITS_OWN_WORDS: readonly string[] = ["out_of_range", "wrong_type"];

/** What to do about an error; undefined if the page has no words for it. */
export function adviceOn(code: string): string | undefined {
  return (ADVICE as Readonly<Record<string, string>>)[code];
}

/** An error in words that say what to do; the server's own if the page has none for it. */
export function sayProblem({ code, message, field, retryAfter }: Problem): string {
  if (field === "prompt") return STATUS.seePrompt;
  if (field?.includes("edits")) return STATUS.seeEdits;
  if (field !== null && NOTED.has(field)) return STATUS.seeSetting;
  const advice = adviceOn(code) ?? message;
  if (!PASSING.has(code)) return advice;
  if (retryAfter !== null) return againIn(advice, Math.max(1, Math.ceil(retryAfter)));
  return code === "queue_full" ? STATUS.againInMinutes(advice, 1) : advice;
}

function againIn(advice: string, seconds: number): string {
  return seconds < 90
    ? STATUS.againIn(advice, seconds)
    : STATUS.againInMinutes(advice, Math.round(seconds / 60));
}

/** The text at the top right: whether it is connected, the user's role, and how many watch. */
export function connectionOf(store: Store): Words {
  const { connection } = store;
  switch (connection.state) {
    case "open":
      return { text: [STATUS.connected, ...presence(store)].join(" · "), tone: "quiet" };
    case "waiting":
      return { text: STATUS.reconnecting, tone: "problem" };
    case "connecting":
      return { text: STATUS.connecting, tone: "busy" };
    case "gone":
      return { text: STATUS.notConnected, tone: "problem" };
    case "off":
      return { text: "", tone: "quiet" };
  }
}

function presence({ presence: room }: Store): string[] {
  if (room === null || (room.role === "presenter" && room.viewers <= 1)) return [];
  const role = room.role === "presenter" ? STATUS.youPresent : STATUS.youWatch;
  const watching = room.viewers - (room.presenting === false ? 0 : 1);
  return watching > 0 ? [role, STATUS.watching(watching)] : [role];
}

/** The text over the graph, with at most one thing to do about it. */
export interface Banner extends Words {
  action?: keyof typeof ACTIONS;
}

/** The banner that matters most; null for none. `nothingShown`: filters leave no feature to see. */
export function bannerOf(store: Store, nothingShown: boolean): Banner | null {
  const { connection, presence: room, origin } = store;
  if (connection.state === "gone") {
    const words: Words = { text: connection.message, tone: "problem" };
    return connection.code === "unknown_room" ? { ...words, action: "own-room" } : words;
  }
  if (connection.state === "waiting" && room !== null) {
    const seconds = Math.ceil(connection.seconds);
    const text = STATUS.reconnectingIn(connection.reason, seconds);
    return { text, tone: "problem", action: "retry" };
  }
  if (nothingShown) {
    return { text: STATUS.filtersHideAll, tone: "busy", action: "clear-filters" };
  }
  if (room?.role === "viewer" && room.presenting === false) {
    return { text: STATUS.presenterLeft, tone: "busy" };
  }
  if (origin === "recording") {
    const made = store.session.run?.model ?? "";
    const other = store.model !== null && made !== store.model.model;
    return { text: other ? STATUS.recordingOf(made) : STATUS.recording, tone: "busy" };
  }
  return null;
}
