import { describe, expect, it } from "vitest";
import { nameOf } from "../src/state/feature";
import { FLOOR, strength } from "../src/state/light";
import { neighbours, strongest } from "../src/state/query";
import { Store, tokenOf } from "../src/state/store";
import type { Frame } from "../src/wire/types";
import { error, feature, finished, glowOf, SOURCE, started, streamed, token } from "./frames";

describe("a log with a new epoch", () => {
  it("is followed from the place that the room frame gives", () => {
    const store = streamed(started(1), token(2, 0, " a", []), token(3, 1, " b", []));
    const room: Frame = {
      type: "room",
      seq: 2,
      room: "k3f9x2",
      role: "viewer",
      viewers: 1,
      open: false,
    };
    store.apply(room);
    store.apply({ ...error("gateway_lost"), seq: 3 });
    store.apply(started(4));
    const { session } = store;
    expect([session.stream.lastSeq, session.phase, session.tokens.length]).toEqual([
      4,
      "generating",
      0,
    ]);
  });
});

describe("a run", () => {
  it("goes through its phases", () => {
    const store = new Store();
    const { session } = store;
    expect(session.phase).toBe("idle");
    store.room.stream.requested();
    expect(session.phase).toBe("requested");
    store.apply({ type: "queued", seq: 1, position: 2 });
    expect([session.phase, session.queuePosition]).toEqual(["queued", 2]);
    store.apply(started(2));
    store.apply(token(3, 0, " Paris", [feature(1, 2)]));
    expect(session.phase).toBe("generating");
    store.apply(finished(4));
    expect(session.phase).toBe("finished");
    expect(session.outcome).toEqual({ reason: "length", generated: 1, seconds: 2 });
  });

  it("is stopped, not finished, after a cancel", () => {
    expect(streamed(started(1), finished(2, "cancelled")).session.phase).toBe("stopped");
  });

  it("adds up to the decoded text, tokens inside a character included", () => {
    const { session } = streamed(
      started(1),
      {
        type: "prompt",
        seq: 2,
        tokens: [{ token: "Voil", position: 0, features: [feature(1, 1)] }],
      },
      token(3, 0, "", []),
      token(4, 1, "à", []),
    );
    expect(session.tokens.map(({ text }) => text).join("")).toBe("Voilà");
    expect(session.tokens.map(({ generated }) => generated)).toEqual([false, true, true]);
  });

  it("begins anew with the next one, but remembers its features", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(1, 5)]),
      finished(3),
      started(4),
    );
    expect(session.tokens).toEqual([]);
    expect(session.features).toHaveLength(1);
    expect(session.features[0]?.peak).toBe(5);
    expect(session.features.map((f) => glowOf(session, f))).toEqual([FLOOR]);
  });
});

describe("sequence numbers", () => {
  it("drop a frame that came before a reconnect", () => {
    const store = streamed(started(1), token(2, 0, "a", []));
    expect(store.apply(token(2, 0, "a", []))).toBe(false);
    expect(store.session.tokens).toHaveLength(1);
  });

  it("ignore room and error frames, which carry the newest number of the log", () => {
    const store = streamed(started(1));
    store.apply({
      type: "room",
      seq: 40,
      room: "r",
      role: "presenter",
      viewers: 1,
      open: false,
      presenter_token: "t",
    });
    store.apply(error("busy", null, 40));
    expect(store.room.stream.lastSeq).toBe(1);
    expect(store.apply(token(2, 0, "a", []))).toBe(true);
  });

  it("count an error of the log, so that a reconnect does not repeat it", () => {
    const store = streamed(started(1), error("busy", null, 2));
    expect(store.room.stream.lastSeq).toBe(2);
  });

  it("keep the room's token if a later room frame has none", () => {
    const room = { type: "room", seq: 0, room: "r", role: "presenter", open: false } as const;
    const store = streamed({ ...room, viewers: 1, presenter_token: "t" }, { ...room, viewers: 2 });
    expect(store.presence).toMatchObject({ viewers: 2, presenter_token: "t" });
  });

  it("count from the start in the next room", () => {
    const store = streamed(started(1), token(2, 0, "a", []));
    const { room, session } = store;
    room.leave();
    expect([room.stream.lastSeq, room.frame, session.phase]).toEqual([0, null, "failed"]);
    expect(store.apply(started(1))).toBe(true);
  });
});

describe("errors", () => {
  it("that answer a request leave a running generation alone", () => {
    const { session } = streamed(started(1), error("busy"));
    expect([session.phase, session.problem?.code]).toEqual(["generating", "busy"]);
  });

  it.each(["backend_lost", "generation_failed"])("%s ends it", (code) => {
    expect(streamed(started(1), error(code)).session.phase).toBe("failed");
  });

  it("refuse a request and name its field; the next start clears them", () => {
    const store = new Store();
    const { session } = store;
    store.room.stream.requested();
    store.apply(error("empty_prompt", "prompt"));
    expect([session.phase, session.problem?.field]).toEqual(["failed", "prompt"]);
    store.apply(started(1));
    expect(session.problem).toBeNull();
  });

  it("include a break while a request is on its way, until frames of it come", () => {
    const store = new Store();
    const { room, session } = store;
    room.stream.requested();
    room.interrupted();
    expect(session.phase).toBe("failed");
    store.apply(started(1));
    expect([session.phase, session.problem]).toEqual(["generating", null]);
    room.interrupted();
    expect(session.phase).toBe("generating");
  });
});

describe("features", () => {
  it("fade by half in six tokens and stay above the floor", () => {
    const store = streamed(started(1), token(2, 0, "a", [feature(1, 4)]));
    const { session } = store;
    const glow = () => session.features.map((f) => glowOf(session, f))[0] ?? 0;
    const before = glow();
    for (let i = 0; i < 6; i += 1) store.apply(token(3 + i, 1 + i, "b", []));
    expect(glow()).toBeCloseTo(before / 2);
    for (let i = 0; i < 60; i += 1) store.apply(token(9 + i, 7 + i, "b", []));
    expect(glow()).toBe(FLOOR);
  });

  it("do not get darker by a weak firing while they still glow", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(1, 9)]),
      token(3, 1, "b", [feature(1, 0.5)]),
    );
    expect(session.features.map((f) => glowOf(session, f))[0]).toBeGreaterThan(0.8);
  });

  it("take labels that come later, and keep them", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(482, 4)]),
      { type: "labels", seq: 3, source: SOURCE, labels: { "482": "capitals", "9": "unseen" } },
      token(4, 1, "b", [feature(482, 4)]),
    );
    expect(session.features.map(nameOf)).toEqual(["capitals"]);
  });

  it("take their largest activation from the first frame that has it", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(482, 4, { max: 16 }), feature(9, 4)]),
      token(3, 1, "b", [feature(482, 4), feature(9, 4)]),
      { type: "labels", seq: 4, source: SOURCE, labels: { "9": "seas" }, max: { "9": 8 } },
    );
    expect(session.features.map((f) => f.knownMax)).toEqual([16, 8]);
    expect(session.features.map((f) => session.strengthOf(f, 4))).toEqual([
      strength(4, 16),
      strength(4, 8),
    ]);
  });

  it("with the same number in two sources are two", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(1, 4), feature(1, 4, { source: "axon-demo/3-res", layer: 3 })]),
    );
    expect(session.features).toHaveLength(2);
  });
});

describe("queries", () => {
  const capital = { label: "capitals" };
  const store = streamed(
    started(1, ["axon-demo/2-res", "axon-demo/3-res"]),
    token(2, 0, "a", [
      feature(1, 8, capital),
      feature(2, 1, { label: "commas" }),
      feature(7, 6, { ...capital, source: "axon-demo/3-res", layer: 3 }),
    ]),
    token(3, 1, "b", [feature(2, 1, { label: "commas" })]),
    token(4, 2, "c", []),
  );
  const { session } = store;

  it("put the strongest first, and a label of two layers once", () => {
    const [first] = session.tokens;
    const names = strongest(session, first?.active ?? []);
    expect(names.map(({ feature: f, echoes }) => [nameOf(f), echoes.length])).toEqual([
      ["capitals", 1],
      ["commas", 0],
    ]);
  });

  it("do not merge features without a label that have the same number", () => {
    const { session: nameless } = streamed(
      started(1, ["axon-demo/2-res", "axon-demo/3-res"]),
      token(2, 0, "a", [feature(5, 8), feature(5, 6, { source: "axon-demo/3-res", layer: 3 })]),
    );
    const [first] = nameless.tokens;
    const found = strongest(nameless, first?.active ?? []);
    expect(found.map(({ feature: f, echoes }) => [f.key, echoes.length])).toEqual([
      ["axon-demo/2-res/5", 0],
      ["axon-demo/3-res/5", 0],
    ]);
  });

  it("take the newest token that has features", () => {
    expect(tokenOf(store)?.text).toBe("b");
  });

  it("find as neighbours those that fired at the same tokens", () => {
    const [one] = session.features;
    const near = one ? neighbours(session, one, 5) : [];
    expect(near.map(({ feature: f, together }) => [f.id, together])).toEqual([
      [7, 1],
      [2, 1],
    ]);
    expect(near[0]?.weight).toBeGreaterThan(near[1]?.weight ?? 1);
  });
});

describe("a feature that edits change", () => {
  const forced = feature(1, 50, { edited: true, before: 2 });
  const silenced = feature(2, 0, { edited: true, before: 4 });
  const { session } = streamed(
    started(1),
    token(2, 0, "a", [feature(1, 5), feature(3, 1)]),
    token(3, 1, "b", [forced, feature(3, 1), silenced]),
    token(4, 2, "c", [silenced]),
  );
  const [one, two, three] = [1, 2, 3].map((id) => session.feature(`${SOURCE}/${id}`));

  it("fires as the model goes on with it, and not at all if it is silenced", () => {
    const firing = session.tokens.map(({ active }) => active.map(({ feature: { id } }) => id));
    expect(firing).toEqual([[1, 3], [1, 3], []]);
    expect(session.tokens.map(({ silent }) => silent)).toEqual([false, false, true]);
    if (!one || !two || !three) throw new Error("a feature is missing");
    expect(session.tokens[1]?.activationOf(one)).toBe(50);
    expect([session.timesOf(one), session.timesOf(two)]).toEqual([2, 0]);
    expect(session.firingsOf(two)).toMatchObject({ at: [] });
    expect(glowOf(session, two)).toBe(FLOOR);
  });

  it("is known by what it was, too", () => {
    const edited = session.tokens.map((token) => token.edited.map(({ before }) => before));
    expect(edited).toEqual([[], [2, 4], [4]]);
  });

  it("keeps the scale that it has by itself", () => {
    expect(one).toMatchObject({ peak: 5, fired: 1 });
    expect(two).toMatchObject({ peak: 0, fired: 0 });
    expect(three).toMatchObject({ peak: 1, fired: 2 });
  });
});

describe("a silenced feature that was met before all others", () => {
  it("shifts no numbers", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(2, 0, { edited: true, before: 4 })]),
      token(3, 1, "b", [feature(1, 5)]),
    );
    expect(session.features.map(({ id, index }) => [id, index])).toEqual([
      [2, 0],
      [1, 1],
    ]);
  });
});
