// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import { Store } from "../src/state/store";
import type { AskForFacts } from "../src/net/backend";
import { binned } from "../src/ui/histogram";
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

function open(info: FeatureInfo | null = INFO, facts: AskForFacts = () => Promise.resolve(null)) {
  const store = new Store();
  store.apply(started(1));
  store.apply(token(2, 0, "a", [feature(7, 5, { max: 20 }), feature(1, 5)]));
  new Inspector(
    store,
    () => Promise.resolve(info),
    () => Promise.resolve([]),
    facts,
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

describe("features alike by their weights that have not fired", () => {
  it("have their labels, asked for once", async () => {
    const alike = [1, 99, 100].map((index) => ({ index, cosine: 0.9 }));
    const facts = vi.fn<AskForFacts>(() => {
      const none = { density: null, max_activation: null };
      return Promise.resolve(
        new Map([
          [1, { ...none, label: "rivers" }],
          [99, { ...none, label: "seas" }],
          [100, { ...none, label: null }],
        ]),
      );
    });
    const store = open({ ...INFO, neighbors: alike }, facts);
    const chips = (): (string | null)[] =>
      [...document.querySelectorAll("#inspector .effects button")].map((one) => one.textContent);
    await vi.waitFor(() => expect(chips()).toEqual(["rivers", "seas", "#100"]));
    expect(facts.mock.calls).toEqual([[SOURCE, [1, 99, 100]]]);
    document.querySelectorAll<HTMLElement>("#inspector .effects button")[1]?.click();
    expect(store.chosen?.label).toBe("seas");
  });
});

describe("the histogram", () => {
  it("counts the tokens at which the feature fires, up to its highest known activation", () => {
    expect(binned([1, 4.9, 5, 10], 10, 4)).toEqual([1, 1, 1, 1]);
    expect(binned([2, 2.4, 10], 10, 4)).toEqual([2, 0, 0, 1]);
    expect(binned([], 0, 2)).toEqual([0, 0]);
    const store = open({ ...INFO, max_activation: 20 });
    store.apply(token(3, 1, "b", [feature(7, 19)]));
    store.apply(token(4, 2, "c", [feature(1, 19)]));
    const bars = [...document.querySelectorAll<HTMLElement>("#inspector .histogram i")];
    expect(bars.map(({ dataset }) => dataset.tip).filter((tip) => !tip?.includes(": 0 "))).toEqual([
      "5.00 to 6.25: 1 token",
      "18.8 to 20.0: 1 token",
    ]);
    const chart = document.querySelector("#inspector .histogram");
    expect(chart?.getAttribute("aria-label")).toContain("Fires at 2 of 3 tokens, 67%");
    store.choose(featureKey(SOURCE, 1));
    expect(chart?.getAttribute("aria-label")).toContain("Fires at 2 of 3 tokens, 67%");
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
