import { describe, expect, it } from "vitest";
import { Store } from "../src/session/store";
import type { ModelInfo } from "../src/wire/model";
import { started } from "./frames";

function serving(...ids: string[]): Store {
  const store = new Store((run) => {
    run();
  });
  const sources = ids.map((id, layer) => ({
    id,
    hook: "",
    layer,
    width: 8,
    architecture: "topk",
    neuronpedia_url: null,
  }));
  const model: ModelInfo = {
    model: "m",
    sources,
    models: [],
    params: {},
    maxPromptCharacters: null,
  };
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
    const store = new Store((run) => {
      run();
    });
    let failing = false;
    let updates = 0;
    store.subscribe(() => {
      if (failing) throw new Error("a view failed");
    });
    store.subscribe(() => {
      updates += 1;
    });
    failing = true;
    const before = updates;
    expect(() => {
      store.changed();
    }).toThrow("a view failed");
    expect(updates).toBe(before + 1);
  });
});

describe("hidden sources", () => {
  it("are not asked for; if none is hidden, the server chooses", () => {
    const store = serving("m/0", "m/1");
    expect(store.wantedSources()).toBeUndefined();
    store.set({ hidden: new Set(["m/0"]) });
    expect(store.wantedSources()).toEqual(["m/1"]);
    expect([store.shows("m/0"), store.shows("m/1")]).toEqual([false, true]);
  });

  it("of another model's recording hide nothing of this one", () => {
    const store = serving("m/0", "m/1");
    store.set({ hidden: new Set(["recorded/3"]) });
    expect(store.wantedSources()).toBeUndefined();
    expect(store.shows("m/0")).toBe(true);
  });
});
