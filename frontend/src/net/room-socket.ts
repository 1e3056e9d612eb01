/** The live socket: opens a room, parses its frames, and comes back by itself after a break. */
import type { Connection } from "../session/store";
import type { WireError } from "../wire/check";
import { parseMessage } from "../wire/parse";
import type { ErrorFrame, Frame, PingRequest } from "../wire/types";

/** What of a WebSocket is used; a test passes its own. */
export interface SocketLike {
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface Environment {
  open(path: string): SocketLike;
  /** Runs `action` after `ms`; the result cancels it. */
  wait(ms: number, action: () => void): () => void;
  /** 0 to 1. */
  random(): number;
  /** The access token of this page, where it was given one. */
  access?(): string | null;
}

/** Where to come in: a room, the first log frame wanted, and the epoch of those read before it. */
export interface Resume {
  room: string;
  epoch?: number | undefined;
  from: number;
  token: string | null;
}

export interface Hooks {
  /** The room to return to, null to open a new one. */
  resume(): Resume | null;
  frame(frame: Frame): void;
  state(connection: Connection): void;
  /** An error in words for people. */
  wordsFor(frame: ErrorFrame): string;
  /** The server does not let us in, and says why. True to try again. */
  refused(frame: ErrorFrame): boolean;
  /** A frame that breaks the contract; it alone is skipped. */
  broken(error: WireError): void;
}

const LOST = "Connection lost";
/** After this long without a word the server is asked whether it is there ... */
export const SILENT_MS = 20_000;
/** ... and given up if it says nothing for this long: a dead network does not say so itself. */
export const PATIENCE_MS = 8_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** The wait before attempt number `attempt` (from 0), spread so that a hall does not return at once. */
export function backoff(attempt: number, random: number): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.round(wait * (0.75 + random / 2));
}

/** `access` is what the server may want to see before it lets anybody in. */
export function socketPath(resume: Resume | null, access: string | null = null): string {
  const query = new URLSearchParams();
  if (resume !== null) {
    query.set("room", resume.room);
    const { epoch, from } = resume;
    query.set("from", epoch === undefined ? String(from) : `${epoch}:${from}`);
    if (resume.token !== null) query.set("token", resume.token);
  }
  if (access !== null) query.set("access", access);
  return query.size === 0 ? "/ws" : `/ws?${query.toString()}`;
}

export class RoomSocket {
  private socket: SocketLike | null = null;
  private attempt = 0;
  private cancelWait: (() => void) | null = null;
  private cancelCheck: (() => void) | null = null;
  private open = false;
  /** Why there is no connection, in words, and how long the server wants to be left alone. */
  private reason = LOST;
  private leaveMs = 0;

  constructor(
    private readonly environment: Environment,
    private readonly hooks: Hooks,
  ) {}

  connect(): void {
    this.cancelWait?.();
    this.cancelWait = null;
    this.hooks.state({ state: "connecting" });
    this.watch();
    const socket = this.environment.open(
      socketPath(this.hooks.resume(), this.environment.access?.() ?? null),
    );
    this.socket = socket;
    socket.onmessage = (event) => {
      if (socket === this.socket) this.receive(event.data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.lost();
    };
  }

  /** Sends one message. False when there is no open connection: nothing was sent. */
  send(message: object): boolean {
    if (this.socket === null || !this.open) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Leaves, and comes in again by what holds now. */
  reopen(): void {
    this.end();
    this.connect();
  }

  /** Connects at once where a connection is waited for: somebody knows that it may work now. */
  hurry(): void {
    if (this.cancelWait === null) return;
    this.attempt = 0;
    this.connect();
  }

  /** Gives the connection up: somebody knows that it is dead, though it does not say so. */
  giveUp(reason: string): void {
    if (this.socket === null) return;
    this.end();
    this.reason = reason;
    this.lost();
  }

  /** Leaves without a word. */
  private end(): void {
    const socket = this.socket;
    this.socket = null;
    this.open = false;
    this.cancelCheck?.();
    socket?.close();
  }

  /** Starts to wait for the next word of the server. */
  private watch(): void {
    this.cancelCheck?.();
    this.cancelCheck = this.environment.wait(SILENT_MS, () => {
      this.send({ type: "ping" } satisfies PingRequest);
      this.cancelCheck = this.environment.wait(PATIENCE_MS, () => {
        this.giveUp("The server has gone silent");
      });
    });
  }

  /** The room's first frame, not the open socket, says that the way is free. */
  private receive(data: unknown): void {
    this.watch();
    if (typeof data !== "string") return;
    const frames = parseMessage(data, (error) => {
      this.hooks.broken(error);
    });
    for (const frame of frames) this.take(frame);
  }

  private take(frame: Frame): void {
    if (frame.type === "room" && !this.open) {
      this.open = true;
      this.attempt = 0;
      this.reason = LOST;
      this.leaveMs = 0;
      this.hooks.state({ state: "open" });
    }
    if (this.open) this.hooks.frame(frame);
    else if (frame.type === "error") this.turnedAway(frame);
  }

  private turnedAway(frame: ErrorFrame): void {
    this.reason = this.hooks.wordsFor(frame);
    this.leaveMs = 1000 * (frame.retry_after ?? 0);
    if (!this.hooks.refused(frame)) this.end();
  }

  private lost(): void {
    this.socket = null;
    this.open = false;
    this.cancelCheck?.();
    const ms = Math.max(backoff(this.attempt, this.environment.random()), this.leaveMs);
    this.attempt += 1;
    this.hooks.state({ state: "waiting", seconds: ms / 1000, reason: this.reason });
    this.cancelWait = this.environment.wait(ms, () => {
      this.connect();
    });
  }
}

/** The browser's own WebSocket and clock. */
export const browserEnvironment: Environment = {
  open: (path) => {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(url);
  },
  wait: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  random: Math.random,
};
