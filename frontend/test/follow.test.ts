// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import { Session } from "../src/state/session";
import { Store } from "../src/state/store";
import type { Pose } from "../src/state/view";
import { Follow } from "../src/ui/follow";
import type { Role, ViewFrame, ViewRequest } from "../src/wire/types";
import { feature, SOURCE, started, token } from "./frames";
import { openDocument } from "./page";

const KEY = featureKey(SOURCE, 7);
const POSE: Pose = { position: [1, 2, 3], target: [4, 5, 6] };
const VIEW: ViewFrame = {
  type: "view",
  seq: 2,
  pose: [1, 2, 3, 4, 5, 6],
  feature: KEY,
  token: null,
  sources: null,
};
const SHOWN = { filters: [], sources: null };

function open(role: Role) {
  const store = new Store();
  store.set({ connection: { state: "open" } });
  store.apply({ type: "room", seq: 0, room: "r", role, viewers: 2, open: false });
  store.apply(started(1));
  store.apply(token(2, 0, "a", [feature(7, 5)]));
  const sent: ViewRequest[] = [];
  const follow = new Follow(store, (view) => sent.push(view) > 0);
  // As the graph tells of a camera that the user has moved.
  const move = (pose: Pose = structuredClone(POSE)): void => {
    store.look({ pose });
  };
  return { store, follow, sent, move };
}

beforeEach(() => {
  vi.useFakeTimers();
  openDocument();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a presenter", () => {
  it("tells of a drag however long it takes", async () => {
    const { sent, move } = open("presenter");
    await vi.advanceTimersByTimeAsync(1000);
    sent.length = 0;
    dispatchEvent(new Event("pointerdown"));
    for (let i = 0; i < 30; i += 1) {
      move();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(sent.map(({ pose }) => pose)).toEqual([[1, 2, 3, 4, 5, 6]]);
    move({ ...POSE, target: [40, 5, 6] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toHaveLength(2);
  });

  it("tells what it has chosen, and which token it looks at", async () => {
    const { store, sent } = open("presenter");
    await vi.advanceTimersByTimeAsync(1000);
    sent.length = 0;
    store.choose(KEY);
    await vi.advanceTimersByTimeAsync(1000);
    store.look({ token: 0 });
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([
      { type: "view", pose: [], feature: KEY, token: null, ...SHOWN },
      { type: "view", pose: [], feature: KEY, token: 0, ...SHOWN },
    ]);
  });

  it("tells each beat of a text that is shown at a pace, and a new text from its prompt", async () => {
    const { store, sent } = open("presenter");
    store.playhead.setPace(2);
    store.apply(started(3));
    for (const step of [0, 1, 2]) store.apply(token(4 + step, step, "a", []));
    await vi.advanceTimersByTimeAsync(1800);
    expect(sent.map((view) => view.token)).toEqual([0, 1, null]);
    store.apply(started(7));
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent.map((view) => view.token)).toEqual([0, 1, null, null]);
  });

  it("tells its filters and sources", async () => {
    const { store, sent } = open("presenter");
    await vi.advanceTimersByTimeAsync(1000);
    sent.length = 0;
    store.look({ filters: [{ kind: "hide", pattern: "a word" }], sources: [SOURCE] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toMatchObject([{ filters: ["hide: a word"], sources: [SOURCE] }]);
  });

  it("tells nothing while nobody watches", async () => {
    const { store, sent, move } = open("presenter");
    store.apply({ type: "room", seq: 2, room: "r", role: "presenter", viewers: 1, open: false });
    await vi.advanceTimersByTimeAsync(1000);
    sent.length = 0;
    move();
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([]);
  });
});

describe("a viewer", () => {
  it("takes the presenter's feature, token and pose", () => {
    const { store, follow } = open("viewer");
    follow.take({ ...VIEW, token: 0 });
    expect([store.wanted, store.playhead.token?.index]).toEqual([KEY, 0]);
    expect(store.view.pose).toEqual(POSE);
  });

  it("takes the presenter's filters and sources, until it chooses its own", () => {
    const { store, follow } = open("viewer");
    const told = { ...VIEW, filters: ["min: 20%", "no filter"], sources: [SOURCE] };
    follow.take(told);
    expect(store.filters).toEqual([{ kind: "min", share: 0.2 }]);
    expect(store.view.sources).toEqual([SOURCE]);
    const { filters } = store;
    follow.take({ ...told, token: 0 });
    expect(store.filters).toBe(filters);
    dispatchEvent(new Event("keydown"));
    store.look({ filters: [] });
    follow.take({ ...told, filters: ["min: 50%"] });
    expect(store.filters).toEqual([]);
  });

  it("keeps its own filters where the presenter's page tells none", () => {
    const { store, follow } = open("viewer");
    store.look({ filters: [{ kind: "min", share: 0.5 }] });
    follow.take(VIEW);
    expect(store.filters).toHaveLength(1);
  });

  it("flies by itself while the presenter's camera has not been moved", () => {
    const { store, follow } = open("viewer");
    follow.take(VIEW);
    follow.take({ ...VIEW, pose: [] });
    expect(store.view.pose).toBeNull();
  });

  it("sees the presenter's beat, and goes on alone when the presenter has left", () => {
    const { store, follow } = open("viewer");
    store.playhead.setPace(Infinity);
    follow.take({ ...VIEW, token: 0 });
    store.apply(started(3));
    for (const step of [0, 1, 2]) store.apply(token(4 + step, step, "a", []));
    expect(store.session.tokens).toHaveLength(0);
    follow.take({ ...VIEW, token: 1 });
    expect([store.session.tokens.length, store.playhead.token]).toEqual([2, null]);
    const room = {
      type: "room",
      seq: 6,
      room: "r",
      role: "viewer",
      viewers: 1,
      open: false,
    } as const;
    store.apply({ ...room, presenting: false });
    expect(store.session.tokens).toHaveLength(3);
  });

  it("stops at a press on the picture, and takes no more", () => {
    const { store, follow } = open("viewer");
    follow.take(VIEW);
    document.getElementById("canvas")?.dispatchEvent(new Event("pointerdown", { bubbles: true }));
    expect(store.view.pose).toBeNull();
    follow.take({ ...VIEW, feature: null });
    expect(store.wanted).toBe(KEY);
  });

  it("stops when it chooses something else, and goes on when asked", () => {
    const { store, follow } = open("viewer");
    follow.take(VIEW);
    dispatchEvent(new Event("keydown"));
    store.look({ token: 0 });
    follow.take({ ...VIEW, feature: null });
    expect([store.wanted, store.view.token]).toEqual([KEY, 0]);
    document.getElementById("follow")?.click();
    expect([store.wanted, store.view.token]).toEqual([null, null]);
  });

  it("stops when it moves the camera, but not for a flight of its own", () => {
    const { store, follow, move } = open("viewer");
    follow.take(VIEW);
    move();
    follow.take({ ...VIEW, token: 0 });
    expect(store.view.token).toBe(0);
    dispatchEvent(new Event("wheel"));
    move();
    follow.take(VIEW);
    expect(store.view.token).toBe(0);
  });

  it("is left alone while it looks at a recording, and taken back to the view after it", () => {
    const { store, follow } = open("viewer");
    store.show(new Session());
    follow.take(VIEW);
    expect(store.wanted).toBeNull();
    store.show(store.live);
    expect(store.wanted).toBe(KEY);
  });
});
