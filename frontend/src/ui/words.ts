/** What the page says about its state: what happens, what went wrong, what to do. */
import { isRunning, type Problem } from "../session/state";
import type { Store } from "../session/store";

export interface Words {
  text: string;
  tone: "quiet" | "busy" | "problem";
}

/** The line under the buttons. */
export function statusOf(store: Store): Words {
  const { session, backend, connection, origin } = store;
  if (connection.state === "gone") return { text: connection.message, tone: "problem" };
  if (backend.state === "off") return outcome(store);
  if (backend.state === "unreachable" && connection.state !== "open") {
    return {
      text: "The server does not answer. Is it running? The page keeps trying.",
      tone: "problem",
    };
  }
  if (backend.state === "loading") return { text: loading(backend.message), tone: "busy" };
  if (connection.state === "waiting") {
    return {
      text: `${connection.reason}. Trying again in ${Math.ceil(connection.seconds)} s.`,
      tone: "problem",
    };
  }
  if (origin === "recording" && !session.problem && session.phase !== "requested") {
    return { text: "Press Generate to run the model.", tone: "quiet" };
  }
  return outcome(store);
}

function outcome(store: Store): Words {
  const { problem, phase } = store.session;
  if (problem && !isRunning(phase)) return { text: sayProblem(problem), tone: "problem" };
  return progress(store);
}

function loading(message: string): string {
  return message === "" ? "The model is loading." : `The model is loading: ${message}`;
}

function progress({ session }: Store): Words {
  const made = session.tokens.filter((token) => token.generated).length;
  switch (session.phase) {
    case "idle":
      return session.room?.role === "viewer"
        ? { text: "Waiting for the presenter to begin.", tone: "quiet" }
        : { text: "Ready.", tone: "quiet" };
    case "requested":
      return { text: "Sent.", tone: "busy" };
    case "queued":
      return { text: waiting(session.queuePosition), tone: "busy" };
    case "generating":
      return { text: `Generating: token ${made}${ofAtMost(session.run?.params)}`, tone: "busy" };
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
  const time =
    seconds === null ? "" : ` in ${seconds < 10 ? seconds.toFixed(1) : seconds.toFixed(0)} s`;
  return `Finished: ${tokens(made)}${time}. Choose one to look at it.`;
}

function tokens(count: number): string {
  return count === 1 ? "1 token" : `${count} tokens`;
}

const ADVICE: Readonly<Record<string, string>> = {
  busy: "A generation is running already. Wait for its end, or press Stop.",
  not_running: "Nothing was running any more.",
  not_presenter:
    "Only the one who opened this room can generate in it. Open your own at the start page.",
  queue_full: "Too many people are generating. Try again in a minute.",
  not_ready: "The model is not ready yet. Try again in a moment.",
  connection_lost: "The connection broke before the request arrived. Press Generate again.",
  backend_lost: "The model's server went away. It comes back by itself; then press Generate again.",
  gateway_lost: "The server of this generation went away. Press Generate again.",
  deadline: "The generation took too long and was ended. Ask for fewer tokens.",
  internal: "Something went wrong in the server; its log says what. Try again.",
};

/** An error in words that say what to do; the server's own for those it words itself. */
export function sayProblem({ code, message, field }: Problem): string {
  if (field === "prompt") return "Not sent: see the note at the prompt.";
  if (field !== null) return "Not sent: see the note at the setting below.";
  return ADVICE[code] ?? message;
}

/** The word at the top right: whether the page hears the server. */
export function connectionOf(store: Store): Words {
  const { connection, session } = store;
  const viewers = session.room?.viewers ?? 0;
  const watching = viewers > 1 ? ` · ${viewers} watching` : "";
  switch (connection.state) {
    case "open":
      return { text: `connected${watching}`, tone: "quiet" };
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
