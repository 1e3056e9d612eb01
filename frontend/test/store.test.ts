import { describe, expect, it } from "vitest";
import { follow, paint, scheduleViews, signal, touch } from "../src/state/signals";
import { Store } from "../src/state/store";
import type { Frame } from "../src/wire/types";
import { atOnce } from "./setup";
import { feature, modelInfo, SOURCE, started, streamed, token } from "./frames";

function serving(...ids: string[]): Store {
  const store = new Store();
  const sources = ids.map((id, layer) => ({
    id,
    hook: "",
    layer,
    width: 8,
    architecture: "topk",
    neuronpedia_url: null,
  }));
  const model = modelInfo({ sources });
  store.set({ backend: { state: "ready", model } });
  return store;
}

describe("a failed query of the model", () => {
  it("changes neither the sources nor their order: the graph would be laid out anew", () => {
    const store = serving("m/0", "m/1");
    store.apply(started(1, ["m/1"]));
    const before = store.sourceIds();
    store.set({ backend: { state: "unreachable", message: "HTTP 502" } });
    expect(store.sourceIds()).toEqual(before);
    expect(before).toEqual(["m/0", "m/1"]);
  });
});

describe("a view that fails", () => {
  it("is told of, but keeps no other from updating", () => {
    const changes = signal(0);
    let failing = false;
    let updates = 0;
    follow(() => {
      if (changes.value > 0 && failing) throw new Error("a view failed");
    });
    follow(() => {
      updates += changes.value >= 0 ? 1 : 0;
    });
    failing = true;
    const before = updates;
    expect(() => {
      touch(changes);
    }).toThrow("a view failed");
    expect(updates).toBe(before + 1);
    // It goes on following.
    expect(() => {
      touch(changes);
    }).toThrow("a view failed");
  });
});

describe("a frame", () => {
  it("runs the views, then draws what they ask for, and what was asked for before", () => {
    let flush: (now: number | null) => void = () => undefined;
    scheduleViews((how) => {
      flush = how;
    });
    try {
      const [changes, seen] = [signal(0), [] as string[]];
      const draw = (now: number): void => {
        seen.push(`drawn at ${now}`);
      };
      const stop = follow(() => {
        seen.push(`view ${changes.value}`);
        paint(draw);
      });
      seen.length = 0;
      paint(draw);
      touch(changes);
      touch(changes);
      flush(16);
      expect(seen).toEqual(["view 2", "drawn at 16"]);
      // A hidden window has no picture: what is to be drawn waits for it.
      touch(changes);
      flush(null);
      flush(500);
      expect(seen.slice(2)).toEqual(["view 3", "drawn at 500"]);
      stop();
    } finally {
      atOnce();
    }
  });
});

describe("hidden sources", () => {
  it("are not asked for; if none is hidden, the server chooses", () => {
    const store = serving("m/0", "m/1");
    expect(store.wantedSources()).toBeUndefined();
    store.look({ sources: ["m/1"] });
    expect(store.wantedSources()).toEqual(["m/1"]);
    expect([store.shows("m/0"), store.shows("m/1")]).toEqual([false, true]);
  });

  it("of another model's recording hide nothing of this one", () => {
    const store = serving("m/0", "m/1");
    store.look({ sources: ["recorded/3"] });
    expect(store.wantedSources()).toBeUndefined();
    expect(store.shows("m/0")).toBe(true);
  });
});

describe("a view", () => {
  const counted = (read: (store: Store) => unknown): { store: Store; runs: () => number } => {
    const store = streamed(started(1), token(2, 0, "a", [feature(1, 5)]));
    let runs = 0;
    follow(() => {
      read(store);
      runs += 1;
    });
    return { store, runs: () => runs };
  };

  it("runs again for what it has read, and for nothing else", () => {
    const { store, runs } = counted(({ chosen, filters }) => [chosen, filters]);
    store.hover(`${SOURCE}/1`);
    store.set({ connection: { state: "open" } });
    store.look({ links: 0.5 });
    store.pin(`${SOURCE}/1`);
    expect(runs()).toBe(1);
    store.choose(`${SOURCE}/1`);
    expect(runs()).toBe(2);
  });

  it("runs once for one frame of the room, however much that changes", () => {
    const { store, runs } = counted(({ session, playhead }) => [session.phase, playhead.at]);
    store.apply(started(3));
    expect(runs()).toBe(2);
  });

  it("follows who is in the room", () => {
    const { store, runs } = counted(({ presence }) => presence?.viewers);
    store.apply({ type: "room", seq: 2, room: "r", role: "viewer", viewers: 3, open: false });
    expect(runs()).toBe(2);
  });
});

describe("a branch of a run", () => {
  it("has tokens of its own, and takes none of the one on show", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(1, 5)]),
      { ...token(3, 0, "b", [feature(2, 5)]), branch: 1 } as Frame,
      token(4, 1, "c", []),
    );
    expect(session.tokens.map(({ text }) => text)).toEqual(["a", "c"]);
    const other = session.stream.newest?.branch(1);
    expect(other?.tokens.map(({ text, active }) => [text, active[0]?.feature.id])).toEqual([
      ["b", 2],
    ]);
  });
});
