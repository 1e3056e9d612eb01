// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Live } from "../src/net/live";
import { Store } from "../src/state/store";
import type { Frame } from "../src/wire/types";
import { isBusy, statusOf } from "../src/words/status";
import { error, finished, modelInfo, started, token } from "./frames";

const sockets: FakeSocket[] = [];

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly url: URL;
  entered: unknown = null;

  constructor(url: string | URL) {
    this.url = new URL(url);
    sockets.push(this);
  }

  send(text: string): void {
    this.entered ??= JSON.parse(text);
  }

  close(): void {
    return;
  }
}

function room(name: string, seq: number): Frame {
  const presence = { viewers: 1, open: false, epoch: 5, presenter_token: `secret of ${name}` };
  return { type: "room", seq, room: name, role: "presenter", ...presence };
}

/** A page in the room r1, and what app.ts wires of it. */
function open() {
  history.replaceState(null, "", "/r/r1");
  const store = new Store(() => () => undefined);
  const live = new Live(store, new URLSearchParams());
  live.start({
    view: () => undefined,
    begun: () => {
      store.playhead.close();
      if (store.session !== store.live) store.show(store.live);
    },
  });
  const receive = (...frames: Frame[]): void => {
    for (const frame of frames) sockets.at(-1)?.onmessage?.({ data: JSON.stringify(frame) });
  };
  const play = (...frames: Frame[]): void => {
    const recorded = frames.map((frame) => ({ frame, time: null }));
    store.playhead.open(recorded, { speed: 1, at: null, run: null });
  };
  const reconnect = (): URL | undefined => {
    sockets.at(-1)?.onclose?.();
    vi.advanceTimersByTime(20_000);
    sockets.at(-1)?.onopen?.();
    return sockets.at(-1)?.url;
  };
  receive(room("r1", 0));
  return { store, live, receive, play, reconnect };
}

const RECORDED = [
  started(1),
  token(2, 0, "x", []),
  token(3, 1, "y", []),
  token(4, 2, "z", []),
  finished(5),
];

describe("a recording on show", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("WebSocket", FakeSocket);
    vi.stubGlobal("fetch", () => new Promise(() => undefined));
  });
  afterEach(() => {
    sockets.length = 0;
    localStorage.clear();
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("is not failed by an error of the room, which the room itself keeps", () => {
    const { store, receive, play } = open();
    receive(started(1), token(2, 0, "a", []));
    play(...RECORDED);
    receive(error("backend_lost", null, 3));
    expect([store.origin, store.session.phase, store.session.problem]).toEqual([
      "recording",
      "generating",
      null,
    ]);
    expect([store.room.stream.phase, store.room.stream.lastSeq]).toEqual(["failed", 3]);
  });

  it("is not failed when the room is gone", () => {
    const { store, receive, play, live } = open();
    receive(started(1));
    play(...RECORDED);
    live.enter("token");
    // The server no longer knows the room.
    sockets.at(-1)?.onmessage?.({ data: JSON.stringify(error("unknown_room")) });
    expect([store.session.phase, store.room.stream.phase, store.presence]).toEqual([
      "generating",
      "failed",
      null,
    ]);
  });

  it("stays through a reconnect, which asks for what is new in the room alone", () => {
    const { store, receive, play, reconnect } = open();
    receive(started(1), token(2, 0, "a", []), finished(3));
    play(...RECORDED);
    expect(reconnect()?.searchParams.get("from")).toBe("5:4");
    receive(room("r1", 3));
    expect(store.origin).toBe("recording");
    // The next generation takes the place of the recording, and nothing is missing.
    receive(started(4), token(5, 0, "b", []));
    expect([store.origin, store.session.runs, store.session.tokens[0]?.text]).toEqual([
      "live",
      2,
      "b",
    ]);
  });

  it("leaves the room as it was: back there, all that was streamed is on show", () => {
    const { store, receive, play } = open();
    receive(started(1), token(2, 0, "a", []));
    play(...RECORDED);
    receive(token(3, 1, "b", []), finished(4));
    store.show(store.live);
    expect(store.session.tokens.map(({ text }) => text)).toEqual(["a", "b"]);
    expect(store.session.phase).toBe("finished");
  });

  it("cannot move the page into another room, whatever frames it holds", () => {
    const { store, play, reconnect } = open();
    play(room("elsewhere", 0), ...RECORDED);
    expect(store.presence?.room).toBe("r1");
    const query = reconnect()?.searchParams;
    expect(query?.get("room")).toBe("r1");
    expect(sockets.at(-1)?.entered).toMatchObject({ token: "secret of r1" });
  });

  it("leaves Stop and the status to the room's generation", () => {
    const { store, receive, play } = open();
    store.set({ connection: { state: "open" }, backend: { state: "loading", message: "" } });
    receive(started(1), token(2, 0, "a", []));
    play(...RECORDED);
    expect(isBusy(store)).toBe(true);
    store.set({
      backend: {
        state: "ready",
        model: modelInfo(),
      },
    });
    expect(statusOf(store).text).toBe("Generating");
    receive(finished(3));
    expect([isBusy(store), statusOf(store).text]).toEqual([
      false,
      "Press Generate to run the model.",
    ]);
  });
});
