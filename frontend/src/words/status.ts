/** What the page says about its state: what happens, what went wrong, what to do. */
import { isRunning, type Outcome, type Phase, type Problem, type RunSettings } from "../state/log";
import type { Store } from "../state/store";
import { KNOBS } from "../wire/model";
import { ACTIONS, ADVICE } from "./en";
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
    return {
      text: `The server does not answer.${mayGenerate(store) ? " Is it running?" : ""} The page keeps trying.`,
      tone: "problem",
    };
  }
  if (connection.state === "waiting") {
    return {
      text: `${connection.reason}. Trying again in ${Math.ceil(connection.seconds)} s.`,
      tone: "problem",
    };
  }
  if (backend.state === "loading") return loading(store, backend.message);
  const idle = origin === "recording" || stream.phase === "idle";
  if (idle && backend.state === "ready" && backend.insteadOf !== undefined) {
    const text = `This server has no model ${backend.insteadOf}. Generate runs ${backend.model.model} instead.`;
    return { text, tone: "problem" };
  }
  if (origin === "recording" && !stream.problem && !isRunning(stream.phase)) {
    const invitation = mayGenerate(store)
      ? "Press Generate to run the model."
      : "Waiting for the presenter to begin.";
    return { text: invitation, tone: "quiet" };
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
  const detail = message === "" ? "" : `: ${message}`;
  return session.run !== null && room !== null
    ? { text: `The model is not there now; the page waits for it${detail}`, tone: "problem" }
    : { text: `The model is not ready yet${detail || "."}`, tone: "busy" };
}

function progress(store: Store, session: Progress): Words {
  const { made } = session;
  switch (session.phase) {
    case "idle":
      return mayGenerate(store)
        ? { text: "Ready.", tone: "quiet" }
        : { text: "Waiting for the presenter to begin.", tone: "quiet" };
    case "requested":
      return { text: "Sent.", tone: "busy" };
    case "queued":
      return { text: waiting(session.queuePosition), tone: "busy" };
    case "generating": {
      const ahead = sayAhead(store);
      const count = `: token ${made}${ofAtMost(session.run?.params)}`;
      return { ...(ahead ?? { text: "Generating", count }), tone: "busy" };
    }
    case "stopped":
      return { text: `Stopped after ${tokens(made)}. Choose one to look at it.`, tone: "quiet" };
    case "finished":
      return { text: finished(session.outcome?.seconds ?? null, made), tone: "quiet" };
    case "failed":
      return { text: "The generation ended early. Try again.", tone: "problem" };
  }
}

function waiting(position: number): string {
  if (position <= 0) return "You are next.";
  return position === 1 ? "Waiting: one request ahead." : `Waiting: ${position} requests ahead.`;
}

function ofAtMost(params: Record<string, unknown> | undefined): string {
  const most = params?.max_tokens;
  return typeof most === "number" ? ` of ${most} at most` : "";
}

function finished(seconds: number | null, made: number): string {
  const time = seconds === null ? "" : ` in ${inTenths(seconds)} s`;
  return `Finished: ${tokens(made)}${time}. Choose one to look at it.`;
}

function inTenths(seconds: number): string {
  if (seconds < 0.1) return "under 0.1";
  return seconds.toFixed(seconds < 10 ? 1 : 0);
}

function tokens(count: number): string {
  return count === 1 ? "1 token" : `${count} tokens`;
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

/** An error in words that say what to do; the server's own if the page has none for it. */
export function sayProblem({ code, message, field, retryAfter }: Problem): string {
  if (field === "prompt") return "Not sent: see the note at the prompt.";
  if (field?.includes("edits")) return "Not sent: see the note at the edits.";
  if (field !== null && NOTED.has(field)) return "Not sent: see the note at the setting below.";
  const advice = ADVICE[code] ?? message;
  if (!PASSING.has(code)) return advice;
  if (retryAfter !== null) return `${advice} Try again in ${inSeconds(retryAfter)}.`;
  return code === "queue_full" ? `${advice} Try again in a minute.` : advice;
}

function inSeconds(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  return whole < 90 ? `${whole} s` : `${Math.round(whole / 60)} minutes`;
}

/** The text at the top right: whether it is connected, the user's role, and how many watch. */
export function connectionOf(store: Store): Words {
  const { connection } = store;
  switch (connection.state) {
    case "open":
      return { text: ["connected", ...presence(store)].join(" · "), tone: "quiet" };
    case "waiting":
      return { text: "reconnecting", tone: "problem" };
    case "connecting":
      return { text: "connecting", tone: "busy" };
    case "gone":
      return { text: "not connected", tone: "problem" };
    case "off":
      return { text: "", tone: "quiet" };
  }
}

function presence({ presence: room }: Store): string[] {
  if (room === null || (room.role === "presenter" && room.viewers <= 1)) return [];
  const role = room.role === "presenter" ? "you present" : "you watch";
  const watching = room.viewers - (room.presenting === false ? 0 : 1);
  return watching > 0 ? [role, `${watching} watching`] : [role];
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
    const text = `${connection.reason}. Reconnecting in ${seconds} s.`;
    return { text, tone: "problem", action: "retry" };
  }
  if (nothingShown) {
    return { text: "Your filters hide every feature.", tone: "busy", action: "clear-filters" };
  }
  if (room?.role === "viewer" && room.presenting === false) {
    const text = "The presenter has left. The room stays; it goes on when they return.";
    return { text, tone: "busy" };
  }
  if (origin === "recording") {
    const made = store.session.run?.model ?? "";
    const other = store.model !== null && made !== store.model.model ? ` of ${made}` : "";
    return { text: `Recording of an earlier run${other}`, tone: "busy" };
  }
  return null;
}
