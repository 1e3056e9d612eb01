// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import { Store } from "../src/state/store";
import { Inspector } from "../src/ui/inspector";
import type { FeatureInfo } from "../src/wire/model";
import { feature, SOURCE, started, token } from "./frames";
import { openDocument, press } from "./page";

const KEY = featureKey(SOURCE, 7);
const INFO: FeatureInfo = {
  label: "capitals",
  explainer: null,
  score: 0.5,
  density: 0.01,
  max_activation: null,
  neuronpedia_url: null,
  promoted: [],
  suppressed: [],
  neighbors: [],
  kin: [],
  examples: [],
  weights_error: null,
};

function open(info: FeatureInfo | null = INFO) {
  const store = new Store();
  store.apply(started(1));
  store.apply(token(2, 0, "a", [feature(7, 5, { max: 20 }), feature(1, 5)]));
  new Inspector(
    store,
    () => Promise.resolve(info),
    () => Promise.resolve([]),
  );
  store.choose(KEY);
  return store;
}

beforeEach(openDocument);

describe("what the inspector learns", () => {
  it("reaches the filters, and takes away nothing that was known", async () => {
    const store = open();
    store.look({ filters: [{ kind: "keep", pattern: "capitals" }] });
    const { passVersion, chosen } = store;
    expect(chosen && store.passes(chosen)).toBe(false);
    await Promise.resolve();
    await Promise.resolve();
    expect(store.passVersion).not.toBe(passVersion);
    expect(chosen && store.passes(chosen)).toBe(true);
    expect(chosen).toMatchObject({ label: "capitals", density: 0.01, knownMax: 20 });
  });
});

describe("the facts", () => {
  it("keep the focus on a term while tokens come, with new figures", () => {
    const store = open(null);
    const facts = document.querySelector("#inspector dl");
    const term = facts?.querySelector<HTMLElement>(".term");
    term?.focus();
    expect(facts?.textContent).toContain("Fired at1 of 1 token");
    store.apply(token(3, 1, "b", [feature(7, 6)]));
    expect(document.activeElement).toBe(term);
    expect(facts?.textContent).toContain("Peak6.00 seen here");
    expect(facts?.textContent).toContain("Fired at2 of 2 tokens");
  });
});

describe("features alike by their weights", () => {
  it("can be chosen, whether they have fired or not", async () => {
    const alike = [1, 99].map((index) => ({ index, cosine: 0.9 }));
    const store = open({ ...INFO, neighbors: alike });
    await vi.waitFor(() => {
      expect(document.querySelectorAll("#inspector .effects button")).toHaveLength(2);
    });
    const [seen, unseen] = document.querySelectorAll<HTMLElement>("#inspector .effects button");
    unseen?.click();
    expect(store.wanted).toBe(featureKey(SOURCE, 99));
    seen?.click();
    expect(store.wanted).toBe(featureKey(SOURCE, 1));
  });
});

describe("Escape", () => {
  it("drops the choice, but in a dialog it closes that alone", () => {
    const store = open();
    const dialog = document.querySelector<HTMLDialogElement>("#help-dialog");
    dialog?.setAttribute("open", "");
    press("Escape", dialog ?? undefined);
    expect(store.wanted).toBe(KEY);
    dialog?.removeAttribute("open");
    press("Escape");
    expect(store.wanted).toBeNull();
  });
});
