/** The live socket: opens a room, parses its frames, and reconnects by itself after a break. */
import type { Connection } from "../state/store";
import type { WireError } from "../wire/check";
import { parseMessage } from "../wire/parse";
import type { EnterRequest, ErrorFrame, Frame, PingRequest } from "../wire/types";
import { at } from "./server";
import { SAY } from "../words";

/** The part of a WebSocket that is used; a test passes its own. */
export interface SocketLike {
  onopen: ((event: Event) => void) | null;
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
  /** The access token of this page, if it was given one. */
  access?(): string | null;
  /** This browser's name for itself in votes. */
  voter?(): string;
}

/** The room to join, the first log frame wanted, and the epoch of those read before it. */
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
  /** The server refused the connection with this error. Returns true to try again. */
  refused(frame: ErrorFrame): boolean;
  /** A frame that breaks the contract; it alone is skipped. */
  broken(error: WireError): void;
}

/** After this long without a message, the page sends a ping ... */
export const SILENT_MS = 20_000;
/** ... and reconnects if nothing comes for this long: a dead network closes no socket. */
export const PATIENCE_MS = 8_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** Milliseconds before attempt `attempt` (from 0), spread so that not all return at once. */
export function backoff(attempt: number, random: number): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
  return Math.round(wait * (0.75 + random / 2));
}

/** Without tokens: addresses are logged on their way. They come in the first message. */
export function socketPath(resume: Resume | null): string {
  const query = new URLSearchParams();
  if (resume !== null) {
    query.set("room", resume.room);
    const { epoch, from } = resume;
    query.set("from", epoch === undefined ? String(from) : `${epoch}:${from}`);
  }
  return query.size === 0 ? "ws?enter" : `ws?enter&${query.toString()}`;
}

export class RoomSocket {
  private socket: SocketLike | null = null;
  private attempt = 0;
  private cancelWait: (() => void) | null = null;
  private cancelCheck: (() => void) | null = null;
  private open = false;
  /** Why there is no connection, in words, and how long the server asked to wait. */
  private reason: string = SAY.lost;
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
    const resume = this.hooks.resume();
    const socket = this.environment.open(socketPath(resume));
    this.socket = socket;
    socket.onopen = () => {
      const access = this.environment.access?.() ?? null;
      const token = resume?.token ?? null;
      const voter = this.environment.voter?.();
      const enter: EnterRequest = { type: "enter", access, token, ...(voter ? { voter } : {}) };
      socket.send(JSON.stringify(enter));
    };
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

  /** Closes the connection, and connects again with the present room and access token. */
  reopen(): void {
    this.end();
    this.connect();
  }

  /** Connects at once if it is waiting to reconnect: there is a sign that it may work now. */
  hurry(): void {
    if (this.cancelWait === null) return;
    this.attempt = 0;
    this.connect();
  }

  /** Gives up a connection that is known to be dead although its socket is still open. */
  giveUp(reason: string): void {
    if (this.socket === null) return;
    this.end();
    this.reason = reason;
    this.lost();
  }

  /** Closes the socket without a change of state. */
  private end(): void {
    const socket = this.socket;
    this.socket = null;
    this.open = false;
    this.cancelCheck?.();
    socket?.close();
  }

  /** Starts to wait for the server's next message. */
  private watch(): void {
    this.cancelCheck?.();
    this.cancelCheck = this.environment.wait(SILENT_MS, () => {
      this.send({ type: "ping" } satisfies PingRequest);
      this.cancelCheck = this.environment.wait(PATIENCE_MS, () => this.giveUp(SAY.silence));
    });
  }

  /** The connection counts as open with the room's first frame, not with the open socket. */
  private receive(data: unknown): void {
    this.watch();
    if (typeof data !== "string") return;
    const frames = parseMessage(data, (error) => this.hooks.broken(error));
    for (const frame of frames) this.take(frame);
  }

  private take(frame: Frame): void {
    if (frame.type === "room" && !this.open) {
      this.open = true;
      this.attempt = 0;
      this.reason = SAY.lost;
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
    this.cancelWait = this.environment.wait(ms, () => this.connect());
  }
}

/** The browser's own WebSocket and clock. */
export const browserEnvironment: Environment = {
  open: (path) => {
    const url = at(path);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(url);
  },
  wait: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};
