import { describe, expect, it } from "vitest";
import { Store } from "../src/session/store";
import type { ModelInfo } from "../src/wire/model";
import type { Frame } from "../src/wire/types";
import { connectionOf, sayProblem, statusOf } from "../src/ui/words";
import { error, feature, finished, started, token } from "./frames";

const MODEL: ModelInfo = {
  model: "axon-demo",
  models: [],
  sources: [],
  params: {},
  maxPromptCharacters: null,
};

function live(...frames: Frame[]): Store {
  const store = new Store((run) => {
    run();
  });
  store.set({ backend: { state: "ready", model: MODEL }, connection: { state: "open" } });
  store.restart("live");
  for (const frame of frames) store.apply(frame);
  return store;
}

describe("statusOf", () => {
  it("tells loading, an unreachable server and a lost connection", () => {
    const store = live();
    store.set({ backend: { state: "loading", message: "reading the weights" } });
    expect(statusOf(store).text).toBe("The model is loading: reading the weights");
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

  it("tells the place in the queue, the progress and the end", () => {
    const store = live({ type: "queued", seq: 1, position: 2 });
    expect(statusOf(store).text).toBe("Waiting: 2 requests ahead.");
    store.apply(started(2));
    store.apply(token(3, 0, "a", [feature(1, 1)]));
    expect(statusOf(store).text).toBe("Generating: token 1 of 8 at most");
    store.apply(finished(4));
    expect(statusOf(store).text).toBe("Finished: 1 token in 2.0 s. Choose one to look at it.");
  });

  it("tells a stop from an end", () => {
    expect(statusOf(live(started(1), finished(2, "cancelled"))).text).toContain("Stopped after");
  });

  it("says what to do about an error, but not over a running generation", () => {
    const store = live();
    store.session.requested();
    store.apply(error("queue_full"));
    expect(statusOf(store)).toMatchObject({ tone: "problem" });
    expect(statusOf(store).text).toContain("Try again in a minute");
    const running = live(started(1), error("busy"));
    expect(statusOf(running).text).toContain("Generating");
  });
});

describe("sayProblem", () => {
  it("uses the server's words where it has none of its own", () => {
    expect(sayProblem({ code: "new_code", message: "Do this.", field: null, retryAfter: null })).toBe("Do this.");
  });
});

describe("connectionOf", () => {
  it("counts those who watch once there is more than one", () => {
    const room = { type: "room", seq: 0, room: "r", role: "presenter", open: false } as const;
    const store = live({ ...room, viewers: 1 });
    expect(connectionOf(store).text).toBe("connected");
    store.apply({ ...room, viewers: 40 });
    expect(connectionOf(store).text).toBe("connected · 40 watching");
  });
});
