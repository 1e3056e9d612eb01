import { describe, expect, it } from "vitest";
import {
  backoff,
  PATIENCE_MS,
  type Resume,
  RoomSocket,
  SILENT_MS,
  type SocketLike,
  socketPath,
} from "../src/net/room-socket";
import type { Connection } from "../src/state/store";
import type { Frame } from "../src/wire/types";

class FakeSocket implements SocketLike {
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  readonly sent: string[] = [];
  closed = false;

  constructor(readonly path: string) {}

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  receive(message: unknown): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }

  breakOff(): void {
    this.onclose?.({} as CloseEvent);
  }
}

const ROOM = { type: "room", seq: 0, room: "r1", role: "presenter", viewers: 1, open: false };
const QUEUED = { type: "queued", seq: 1, position: 1 };

function setup(tryAgain = true) {
  const sockets: FakeSocket[] = [];
  const waits: { ms: number; action: () => void }[] = [];
  /** Waits that check whether the server is still there; cancelled ones are removed. */
  const checks: { ms: number; action: () => void }[] = [];
  const states: Connection[] = [];
  const frames: Frame[] = [];
  const resume: { at: Resume | null } = { at: null };
  const socket = new RoomSocket(
    {
      open: (path) => {
        const fake = new FakeSocket(path);
        sockets.push(fake);
        return fake;
      },
      wait: (ms, action) => {
        const wait = { ms, action };
        const list = ms === SILENT_MS || ms === PATIENCE_MS ? checks : waits;
        list.push(wait);
        return () => {
          if (list === checks) checks.splice(checks.indexOf(wait), 1);
        };
      },
      random: () => 0.5,
      access: () => "mine",
    },
    {
      resume: () => resume.at,
      frame: (frame) => frames.push(frame),
      state: (state) => states.push(state),
      wordsFor: ({ message }) => message,
      refused: () => tryAgain,
      broken: () => undefined,
    },
  );
  socket.connect();
  const last = () => {
    const fake = sockets.at(-1);
    if (!fake) throw new Error("no socket was opened");
    return fake;
  };
  return { socket, sockets, waits, checks, states, frames, resume, last };
}

describe("socketPath", () => {
  it("opens a new room, or returns to one after the last frame seen", () => {
    expect(socketPath(null)).toBe("ws?enter");
    expect(socketPath({ room: "r1", from: 1, token: "t" })).toBe("ws?enter&room=r1&from=1");
    expect(socketPath({ room: "r1", epoch: 1764241000123456, from: 7, token: null })).toBe(
      "ws?enter&room=r1&from=1764241000123456%3A7",
    );
  });
});

describe("backoff", () => {
  it("doubles up to ten seconds and spreads by a quarter either way", () => {
    expect([0, 1, 2].map((attempt) => backoff(attempt, 0.5))).toEqual([500, 1000, 2000]);
    expect(backoff(20, 0.5)).toBe(10_000);
    expect([backoff(0, 0), backoff(0, 1)]).toEqual([375, 625]);
  });
});

describe("RoomSocket", () => {
  it("shows its tokens in the first message, not in the address", () => {
    const { socket, resume, last } = setup();
    resume.at = { room: "r1", from: 1, token: "presenter's" };
    socket.reopen();
    last().onopen?.({} as Event);
    expect(last().path).not.toContain("presenter");
    expect(last().sent).toEqual(['{"type":"enter","access":"mine","token":"presenter\'s"}']);
  });

  it("is open with the room's first frame, not before", () => {
    const { socket, states, frames, last } = setup();
    expect(socket.send({ type: "stop" })).toBe(false);
    last().receive(ROOM);
    expect(states.at(-1)).toEqual({ state: "open" });
    expect(frames).toHaveLength(1);
    expect(socket.send({ type: "stop" })).toBe(true);
    expect(last().sent).toEqual(['{"type":"stop"}']);
  });

  it("returns to its room, from the next frame on", () => {
    const { sockets, waits, states, resume, last } = setup();
    last().receive(ROOM);
    resume.at = { room: "r1", from: 2, token: "t" };
    last().breakOff();
    expect(states.at(-1)).toMatchObject({ state: "waiting", seconds: 0.5 });
    waits[0]?.action();
    expect(last().path).toBe("ws?enter&room=r1&from=2");
    last().receive(ROOM);
    last().receive(QUEUED);
    expect(states.at(-1)).toEqual({ state: "open" });
    expect(sockets).toHaveLength(2);
  });

  it("waits longer with every failure and starts over after a success", () => {
    const { waits, last } = setup();
    last().breakOff();
    waits[0]?.action();
    last().breakOff();
    waits[1]?.action();
    last().receive(ROOM);
    last().breakOff();
    expect(waits.map(({ ms }) => ms)).toEqual([500, 1000, 500]);
  });

  it("skips a message that breaks the contract and goes on", () => {
    const { frames, last } = setup();
    last().receive(ROOM);
    last().receive({ type: "token" });
    last().receive(QUEUED);
    expect(frames.map(({ type }) => type)).toEqual(["room", "queued"]);
  });

  it("tries again if a refusal may pass, with the server's reason", () => {
    const { states, frames, last } = setup(true);
    last().receive({
      type: "error",
      seq: 0,
      error: "too_many_rooms",
      message: "All rooms are in use",
    });
    last().breakOff();
    expect(states.at(-1)).toMatchObject({ state: "waiting", reason: "All rooms are in use" });
    expect(frames).toEqual([]);
  });

  it("does not try again if it will not pass", () => {
    const { states, waits, last } = setup(false);
    const socket = last();
    socket.receive({ type: "error", seq: 0, error: "unknown_room", message: "gone" });
    expect(socket.closed).toBe(true);
    socket.breakOff();
    expect(waits).toEqual([]);
    expect(states.map(({ state }) => state)).toEqual(["connecting"]);
  });
});

describe("a silent connection", () => {
  it("gets a ping, and is given up if nothing comes back", () => {
    const { checks, waits, states, last } = setup();
    last().receive(ROOM);
    expect(checks.map(({ ms }) => ms)).toEqual([SILENT_MS]);
    checks.shift()?.action();
    expect(last().sent).toEqual(['{"type":"ping"}']);
    expect(checks.map(({ ms }) => ms)).toEqual([PATIENCE_MS]);
    checks.shift()?.action();
    expect(last().closed).toBe(true);
    expect(states.at(-1)).toMatchObject({ state: "waiting", reason: "The server has gone silent" });
    waits.at(-1)?.action();
    expect(states.at(-1)).toEqual({ state: "connecting" });
  });

  it("counts as alive after any message, even an unknown one", () => {
    const { checks, last } = setup();
    last().receive(ROOM);
    checks.shift()?.action();
    last().receive({ type: "pong", seq: 0 });
    expect(checks.map(({ ms }) => ms)).toEqual([SILENT_MS]);
  });

  it("is opened again at once when told that it may work", () => {
    const { socket, sockets, last } = setup();
    last().receive(ROOM);
    socket.hurry();
    expect(sockets).toHaveLength(1);
    socket.giveUp("This device is offline");
    socket.hurry();
    expect(sockets).toHaveLength(2);
  });
});

it("waits as long as the server asks before it tries again", () => {
  const { waits, states, last } = setup();
  const full = { type: "error", seq: 0, error: "too_many_rooms", message: "Full", retry_after: 30 };
  last().receive(full);
  last().breakOff();
  expect(waits.at(-1)?.ms).toBe(30_000);
  expect(states.at(-1)).toEqual({ state: "waiting", seconds: 30, reason: "Full" });
});
