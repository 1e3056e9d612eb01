import { describe, expect, it } from "vitest";
import { Store } from "../src/session/store";
import type { ModelInfo } from "../src/wire/model";

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
