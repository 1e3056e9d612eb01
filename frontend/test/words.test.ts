import { describe, expect, it } from "vitest";
import { Store } from "../src/state/store";
import type { Frame } from "../src/wire/types";
import { ADVICE, KNOB_TEXTS } from "../src/words/en";
import {
  adviceOn,
  bannerOf,
  connectionOf,
  ITS_OWN_WORDS,
  progressOf,
  sayProblem,
  statusOf,
} from "../src/words/status";
import { error, feature, finished, modelInfo, replayed, started, token } from "./frames";
import { CODES } from "./golden";

const MODEL = modelInfo();

function live(...frames: Frame[]): Store {
  const store = new Store();
  store.set({ backend: { state: "ready", model: MODEL }, connection: { state: "open" } });
  for (const frame of frames) store.apply(frame);
  return store;
}

describe("statusOf", () => {
  it("describes loading, an unreachable server and a lost connection", () => {
    const store = live();
    store.set({ backend: { state: "loading", message: "reading the weights" } });
    expect(statusOf(store).text).toBe("The model is not ready yet: reading the weights");
    store.set({ backend: { state: "unreachable", message: "x" }, connection: { state: "off" } });
    expect(statusOf(store).text).toContain("does not answer");
    store.set({
      backend: { state: "ready", model: MODEL },
      connection: { state: "waiting", seconds: 3.2, reason: "Connection lost" },
    });
    expect(statusOf(store)).toEqual({
      text: "Connection lost. Trying again in 4 s.",
      tone: "problem",
    });
  });

  it("asks whether the server runs, but not a viewer, who cannot start it", () => {
    const store = live();
    store.set({ backend: { state: "unreachable", message: "x" }, connection: { state: "off" } });
    expect(statusOf(store).text).toContain("Is it running?");
    store.apply({ type: "room", seq: 0, room: "r", role: "viewer", viewers: 2, open: false });
    expect(statusOf(store).text).not.toContain("Is it running?");
  });

  it("describes the place in the queue, the progress and the end", () => {
    const store = live({ type: "queued", seq: 1, position: 2 });
    expect(statusOf(store).text).toBe("Waiting: 2 requests ahead.");
    store.apply(started(2));
    store.apply(token(3, 0, "a", [feature(1, 1)]));
    const { text, count } = statusOf(store);
    expect([text, count]).toEqual(["Generating", ": token 1 of 8 at most"]);
    store.apply(finished(4));
    expect(statusOf(store).text).toBe("Finished: 1 token in 2.0 s. Choose one to look at it.");
  });

  it("says of a short time that it is short, not that it is none", () => {
    const end = { ...finished(3), timings: { prefill_ns: 1e6, decode_ns: 2e6 } } as Frame;
    expect(statusOf(live(started(1), token(2, 0, "a", []), end)).text).toContain(
      "1 token in under 0.1 s.",
    );
  });

  it("distinguishes a stop from an end", () => {
    expect(statusOf(live(started(1), finished(2, "cancelled"))).text).toContain("Stopped after");
  });

  it("says what to do about an error, but not over a running generation", () => {
    const store = live();
    store.room.stream.requested();
    store.apply(error("queue_full"));
    expect(statusOf(store)).toMatchObject({ tone: "problem" });
    expect(statusOf(store).text).toContain("Try again in a minute");
    const running = live(started(1), error("busy"));
    expect(statusOf(running).text).toContain("Generating");
  });
});

describe("the line of settings", () => {
  it("says a setting at its neutral value as off", () => {
    const { repetition_penalty: penalty, top_k, top_p } = KNOB_TEXTS;
    expect([penalty.brief("1"), penalty.brief("1.3")]).toEqual([
      "repetition penalty off",
      "repetition penalty 1.3",
    ]);
    expect([top_k.brief("0"), top_p.brief("1")]).toEqual(["top-K off", "top-P off"]);
  });
});

describe("a recording of another model", () => {
  it("is not passed off as one of the model that is there", () => {
    const store = replayed(started(1));
    expect(bannerOf(store, false)?.text).toBe("Recording of an earlier run");
    store.set({ backend: { state: "ready", model: { ...MODEL, model: "gpt2-small" } } });
    expect(bannerOf(store, false)?.text).toBe("Recording of an earlier run of axon-demo");
  });
});

describe("sayProblem", () => {
  it("uses the server's words if the page has none", () => {
    expect(
      sayProblem({ code: "new_code", message: "Do this.", field: null, retryAfter: null }),
    ).toBe("Do this.");
  });
});

describe("connectionOf", () => {
  it("names the role and the number of viewers once there is more than one", () => {
    const room = { type: "room", seq: 0, room: "r", role: "presenter", open: false } as const;
    const store = live({ ...room, viewers: 1, presenting: true });
    expect(connectionOf(store).text).toBe("connected");
    store.apply({ ...room, viewers: 40, presenting: true });
    expect(connectionOf(store).text).toBe("connected · you present · 39 watching");
    store.apply({ ...room, role: "viewer", viewers: 39, presenting: false });
    expect(connectionOf(store).text).toBe("connected · you watch · 39 watching");
  });
});

describe("every error of the gateway", () => {
  it.each(CODES.filter((code) => !ITS_OWN_WORDS.includes(code)))("%s says what to do", (code) => {
    expect(adviceOn(code)?.length).toBeGreaterThan(20);
  });

  it("has words only if there is such an error", () => {
    const known = [...CODES, "connection_lost"];
    expect(Object.keys(ADVICE).filter((code) => !known.includes(code))).toEqual([]);
    expect(ITS_OWN_WORDS.filter((code) => !known.includes(code))).toEqual([]);
  });

  it("says when to try again if the gateway says so", () => {
    const problem = { message: "", field: null };
    expect(sayProblem({ ...problem, code: "queue_full", retryAfter: 2.5 })).toBe(
      "Too many people are generating. Try again in 3 s.",
    );
    expect(sayProblem({ ...problem, code: "queue_full", retryAfter: 240 })).toContain("4 minutes");
  });

  it("points at the field that has a note, and at no other", () => {
    const problem = { code: "out_of_range", message: "top_p must be 0 to 1", retryAfter: null };
    expect(sayProblem({ ...problem, field: "top_p" })).toContain("see the note");
    expect(sayProblem({ ...problem, field: "stop" })).toBe("top_p must be 0 to 1");
  });
});

describe("progressOf", () => {
  it("reads how much of a download is done", () => {
    expect(progressOf("downloading x: 500 MB of 2.0 GB, 30 MB/s")).toBe(0.25);
    expect(progressOf("reading the weights")).toBeNull();
  });
});

describe("bannerOf", () => {
  const room = { type: "room", seq: 0, room: "r", role: "viewer", viewers: 2 } as const;

  it("puts a lost connection first, with a button to try now", () => {
    const store = live({ ...room, open: false, presenting: false });
    store.set({ connection: { state: "waiting", seconds: 3, reason: "This device is offline" } });
    expect(bannerOf(store, true)).toMatchObject({ tone: "problem", action: "retry" });
    expect(bannerOf(store, true)?.text).toContain("offline");
  });

  it("says that filters hide everything, and that the presenter has left", () => {
    const store = live({ ...room, open: false, presenting: false });
    expect(bannerOf(store, true)?.action).toBe("clear-filters");
    expect(bannerOf(store, false)?.text).toContain("presenter has left");
    store.apply({ ...room, open: false, presenting: true });
    expect(bannerOf(store, false)).toBeNull();
  });

  it("offers a new room if the one asked for is closed, and only then", () => {
    const store = live();
    store.set({ connection: { state: "gone", message: "Closed", code: "unknown_room" } });
    expect(bannerOf(store, false)?.action).toBe("own-room");
    store.set({ connection: { state: "gone", message: "No", code: "no_access" } });
    expect(bannerOf(store, false)?.action).toBeUndefined();
  });
});
