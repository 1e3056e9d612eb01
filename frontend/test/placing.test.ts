import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PlaceReply, PlaceRequest } from "../src/graph/map/layout.worker";
import { Placing } from "../src/graph/map/placing";
import type { Session } from "../src/state/session";
import type { Store } from "../src/state/store";
import { feature, SOURCE, started, streamed, token } from "./frames";

class FakeWorker {
  onmessage: ((event: { data: PlaceReply }) => void) | null = null;
  onerror: (() => void) | null = null;
  request: PlaceRequest | null = null;
  ended = false;

  constructor() {
    workers.push(this);
  }

  postMessage(request: PlaceRequest): void {
    this.request = request;
  }

  terminate(): void {
    this.ended = true;
  }

  answer(): void {
    const indices = this.request?.newcomers.map(({ index }) => index) ?? [];
    this.onmessage?.({ data: { indices, positions: new Float32Array(3 * indices.length) } });
  }
}

const workers: FakeWorker[] = [];

function placingOf(session: Session): Placing {
  const placing: Placing = new Placing(() => {
    placing.request(session, [SOURCE]);
  });
  placing.request(session, [SOURCE]);
  return placing;
}

describe("Placing", () => {
  let store: Store;
  let session: Session;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("Worker", FakeWorker);
    store = streamed(started(1), token(2, 0, "a", [feature(1, 5), feature(7, 5)]));
    session = store.session;
  });
  afterEach(() => {
    workers.length = 0;
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it("asks again, another worker, after one has failed, and places everything", () => {
    const placing = placingOf(session);
    workers[0]?.answer();
    store.apply(token(3, 1, "b", [feature(9, 5)]));
    placing.request(session, [SOURCE]);
    workers[0]?.onerror?.();
    vi.advanceTimersByTime(60_000);
    expect(workers.map(({ ended }) => ended)).toEqual([true, false]);
    workers[1]?.answer();
    expect([placing.count, placing.has(0), placing.has(1), placing.has(2)]).toEqual([
      3,
      true,
      true,
      true,
    ]);
  });

  it("goes on trying, and not all the time, if the worker cannot even be loaded", () => {
    placingOf(session);
    for (let i = 0; i < 3; i += 1) {
      workers.at(-1)?.onerror?.();
      vi.advanceTimersByTime(1000);
      expect(workers).toHaveLength(i + 1);
      vi.advanceTimersByTime(60_000);
    }
    expect(workers.filter(({ ended }) => !ended)).toHaveLength(1);
    expect(workers.at(-1)?.request?.newcomers).toHaveLength(2);
  });

  it("begins with a fresh worker for another session, even while it waits to try again", () => {
    const placing = placingOf(session);
    workers[0]?.onerror?.();
    placing.restart();
    placing.request(session, [SOURCE]);
    vi.advanceTimersByTime(60_000);
    expect(workers).toHaveLength(2);
  });
});

describe("the worker", () => {
  it("tells the page of a failure", async () => {
    vi.doMock("../src/graph/map/atlas", () => ({
      Atlas: class {
        load = () => Promise.reject(new Error("no storage"));
      },
    }));
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    await import("../src/graph/map/layout.worker");
    const newcomers = [{ index: 0, source: SOURCE, id: 1, level: 0 }];
    const { onmessage } = globalThis as unknown as { onmessage: (event: unknown) => void };
    onmessage({ data: { newcomers, ties: [] } });
    await vi.waitFor(() => {
      expect(report).toHaveBeenCalledWith(new Error("no storage"));
    });
    vi.unstubAllGlobals();
    vi.doUnmock("../src/graph/map/atlas");
  });
});
