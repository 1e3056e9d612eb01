// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { accountOf, type Comparison, compared } from "../src/state/comparing";
import { featureKey } from "../src/state/feature";
import { Store } from "../src/state/store";
import { readView, viewPairs } from "../src/state/view";
import { Comparing } from "../src/ui/comparing";
import type { Frame, WireFeature } from "../src/wire/types";
import { feature, finished, SOURCE, started, streamed, token } from "./frames";
import { openDocument } from "./page";

const NAMED = { label: "capitals", max: 10 };

/** A run of two tokens; the second is this word, with these features. */
function run(from: number, word: string, ...features: WireFeature[]): Frame[] {
  return [
    started(from),
    token(from + 1, 0, " The", [feature(1, 2, { max: 4 })]),
    token(from + 2, 1, word, features),
    finished(from + 3),
  ];
}

function compare(one: Store, other: Store): Comparison {
  const [a, b] = [one, other].map(({ session }) => {
    if (!session.log) throw new Error("no text");
    return accountOf(session.run, session.log);
  });
  if (!a || !b) throw new Error("no text");
  return compared(a, b);
}

describe("two texts", () => {
  const paris = (): Store => streamed(...run(1, " Paris", feature(7, 8, NAMED)));

  it("part at the first token that differs, or that one alone has", () => {
    expect(compare(paris(), streamed(...run(1, " Rome"))).parting).toBe(1);
    expect(compare(paris(), paris()).parting).toBe(-1);
    expect(compare(paris(), streamed(...run(1, " Paris").slice(0, 2))).parting).toBe(1);
  });

  it("have features that rose and fell, as means of shares of full strength", () => {
    const other = streamed(...run(1, " Rome", feature(7, 2, NAMED), feature(9, 5, { max: 5 })));
    const { rose, fell } = compare(paris(), other);
    const said = (list: Comparison["rose"]) => list.map((c) => [c.feature.id, c.before, c.after]);
    // Two tokens have features: 8 of 10 and 2 of 10, halved; the one that is the same is in neither.
    expect(said(rose)).toEqual([[7, 0.1, 0.4]]);
    expect(said(fell)).toEqual([[9, 0.5, 0]]);
  });

  it("have the largest changes first, and measure by the peak where no maximum is known", () => {
    const one = streamed(...run(1, "a", feature(5, 3), feature(6, 6)));
    const other = streamed(...run(1, "a", feature(5, 4)));
    const { rose, fell } = compare(one, other);
    expect(rose.map(({ feature: { id }, after }) => [id, after])).toEqual([[6, 0.5]]);
    expect(fell.map((c) => [c.feature.id, c.before, c.after])).toEqual([[5, 0.5, 0.375]]);
  });

  it("are compared only by sources that both have", () => {
    const elsewhere = started(1, ["other/3-res"]);
    const of = { source: "other/3-res", layer: 3 };
    const other = streamed(elsewhere, token(2, 0, " The", [feature(7, 3, of)]));
    expect(compare(paris(), other)).toMatchObject({ comparable: false, rose: [], fell: [] });
  });
});

describe("the dialog", () => {
  beforeEach(openDocument);

  const text = (): string => document.querySelector("#compare-dialog")?.textContent ?? "";
  const names = (): (string | null)[] =>
    [...document.querySelectorAll("#compare-dialog option")].map((one) => one.textContent);

  it("compares the text on show with those that were shown to their end", () => {
    const store = streamed(...run(1, " Rome", feature(9, 5, { label: "rivers" })));
    const comparing = new Comparing(store);
    comparing.open();
    expect(text()).toContain("There is no other text yet.");
    for (const frame of run(11, " Paris", feature(7, 8, NAMED))) store.apply(frame);
    comparing.open();
    expect(names()).toEqual(["axon-demo: “The capital”, 2 tokens"]);
    expect(text()).toContain("The texts part at token 2: “␣Paris” here, “␣Rome” there.");
    const [rose, fell] = [...document.querySelectorAll("#compare-dialog section")].slice(2);
    expect(rose?.textContent).toContain("capitals");
    expect(rose?.textContent).toContain("0.0% → 40.0%");
    expect(fell?.textContent).toContain("rivers");
    rose?.querySelector("button")?.click();
    expect(store.wanted).toBe(featureKey(SOURCE, 7));
    fell?.querySelector("button")?.click();
    expect(store.wanted).toBe(featureKey(SOURCE, 9));
  });

  it("offers the branches of the run on show, and the runs of a recording", () => {
    const branches = ["as is", "with"].map((name) => ({ name, edits: [], seed: "1" }));
    const twin = [
      started(11, [SOURCE], branches),
      { ...token(12, 0, "a", [feature(1, 1)]), branch: 0 } as Frame,
      { ...token(13, 0, "b", [feature(1, 2)]), branch: 1 } as Frame,
    ];
    const store = new Store();
    const comparing = new Comparing(store);
    const frames = [...run(1, "x"), ...twin].map((frame) => ({ frame, time: null }));
    store.playhead.open(frames, { speed: Infinity, at: null, run: null });
    comparing.open();
    expect(names()).toEqual([
      expect.stringMatching(/“The capital”, as is, 1 token$/u),
      "axon-demo: “The capital”, 2 tokens",
    ]);
  });

  describe("in the address", () => {
    const frames = [...run(1, " Rome"), ...run(11, " Paris")].map((frame) => ({
      frame,
      time: null,
    }));
    const ended = { speed: Infinity, at: null, run: null };
    const isOpen = (): boolean => document.querySelector("#compare-dialog[open]") !== null;

    it("has the two texts while it is open, and opens them again", () => {
      const store = new Store();
      store.playhead.open(frames, ended);
      new Comparing(store).open();
      expect(viewPairs(store.view)).toEqual([["compare", "2.1,1.1"]]);
      const said = text();
      document.querySelector<HTMLDialogElement>("#compare-dialog")?.close();
      expect(viewPairs(store.view)).toEqual([]);

      openDocument();
      const other = new Store();
      new Comparing(other);
      other.look(readView(new URLSearchParams("compare=2.1,1.1")));
      expect(isOpen()).toBe(false);
      other.playhead.open(frames, { ...ended, run: 0 });
      expect(isOpen()).toBe(true);
      expect(text()).toBe(said);
      expect([other.playhead.run, other.session.ahead]).toEqual([1, 0]);
      expect(viewPairs(other.view)).toEqual([["compare", "2.1,1.1"]]);
    });

    it("is left out where a text is none of the recording, or is not shown to its end", () => {
      const store = new Store();
      const comparing = new Comparing(store);
      store.look(readView(new URLSearchParams("compare=7.1,1.1")));
      store.playhead.open(frames, { ...ended, speed: 1 });
      expect([isOpen(), store.view.compare]).toEqual([false, null]);
      comparing.open();
      expect([isOpen(), store.view.compare]).toEqual([true, null]);
      const live = streamed(...run(1, " Rome"));
      openDocument();
      new Comparing(live).open();
      expect(live.view.compare).toBeNull();
    });
  });

  it("takes a recording from a file, or says what is wrong with it", async () => {
    const store = streamed(...run(1, " Rome", feature(9, 5)));
    const comparing = new Comparing(store);
    comparing.open();
    const input = document.querySelector<HTMLInputElement>("#compare-dialog input");
    const give = (content: string): void => {
      const file = new File([content], "a.jsonl");
      Object.defineProperty(input, "files", { value: [file], configurable: true });
      input?.dispatchEvent(new Event("change"));
    };
    give("nothing");
    await vi.waitFor(() => expect(text()).toContain("a.jsonl cannot be compared"));
    const lines = run(1, " Paris", feature(7, 8, NAMED)).map((frame) => JSON.stringify(frame));
    give([JSON.stringify({ type: "recording", version: 1 }), ...lines].join("\n"));
    await vi.waitFor(() => expect(text()).toContain("The texts part at token 2"));
    expect(text()).toContain("capitals");
  });
});
