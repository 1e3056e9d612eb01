import { describe, expect, it } from "vitest";
import { judgeOf, parseFilter } from "../src/state/filters";
import { Store } from "../src/state/store";
import { BUNDLED_MODEL, firstLine, knowsExamples, rowState } from "../src/ui/help";
import { EXAMPLES, FILTERS } from "../src/words/en";
import type { Frame } from "../src/wire/types";
import { finished, modelInfo, started } from "./frames";

function live(model = BUNDLED_MODEL): Store {
  const store = new Store();
  const info = modelInfo({ model });
  store.set({ backend: { state: "ready", model: info }, connection: { state: "open" } });
  return store;
}

function room(role: "viewer" | "presenter", open: boolean): Frame {
  return { type: "room", seq: 0, room: "r", role, viewers: 2, open, presenting: true };
}

describe("the examples", () => {
  it("are at least a dozen, all different", () => {
    expect(EXAMPLES.length).toBeGreaterThanOrEqual(12);
    expect(new Set(EXAMPLES.map(({ prompt }) => prompt)).size).toBe(EXAMPLES.length);
    expect(new Set(EXAMPLES.map(({ caption }) => caption)).size).toBe(EXAMPLES.length);
  });

  it.each(EXAMPLES)("$caption: has a short caption, and a prompt to go on from", (example) => {
    const { caption, prompt } = example;
    expect(caption.trim()).toBe(caption);
    expect(caption.length).toBeGreaterThan(2);
    expect(caption.length).toBeLessThanOrEqual(28);
    expect(prompt.length).toBeGreaterThan(4);
    // A blank at the end would be a token that the model has never seen there.
    expect(prompt.trim()).toBe(prompt);
    expect(firstLine(prompt)).not.toContain("\n");
  });

  it("show only the first line of a program", () => {
    expect(firstLine("x = 3\ny = 2\nprint(x)")).toBe("x = 3 …");
    expect(firstLine("3 + 4 =")).toBe("3 + 4 =");
  });
});

describe("the row of examples", () => {
  it("is there for the model that they are about, and no other", () => {
    expect(rowState(live())).toBe("shown");
    expect(rowState(live("gpt2-small"))).toBe("none");
    expect(knowsExamples(live("gpt2-small"))).toBe(false);
    const store = live();
    store.set({ backend: { state: "loading", message: "reading the weights" } });
    expect(rowState(store)).toBe("none");
    store.set({ backend: { state: "off" } });
    expect(rowState(store)).toBe("none");
  });

  it("is there for whoever may generate", () => {
    const store = live();
    store.apply(room("viewer", false));
    expect(rowState(store)).toBe("none");
    expect(knowsExamples(store)).toBe(true);
    store.apply(room("viewer", true));
    expect(rowState(store)).toBe("shown");
    store.apply(room("presenter", false));
    expect(rowState(store)).toBe("shown");
  });

  it("keeps its place while a generation runs, from the request to the end", () => {
    const store = live();
    store.room.stream.requested();
    expect(rowState(store)).toBe("kept");
    store.apply(started(1));
    expect(rowState(store)).toBe("kept");
    store.apply(finished(2));
    expect(rowState(store)).toBe("shown");
  });

  it("stays while a recording plays, since nothing runs then", () => {
    const store = live();
    const recorded = [{ frame: started(1), time: null }];
    store.playhead.open(recorded, { speed: 1, at: null, run: null });
    expect(rowState(store)).toBe("shown");
    store.room.stream.requested();
    expect(rowState(store)).toBe("kept");
  });
});

describe("the filters that the help lists", () => {
  const LABELS = [
    "the answer comes next: a place",
    "someone is in the kitchen",
    "mentions of who is sad",
    'the word "key"',
    "inside brackets",
    "right before places",
    "promotes: Paris, Rome, Oslo",
    null,
  ];

  function shown(text: string): (string | null)[] {
    const parsed = parseFilter(text);
    if (!parsed || !("filter" in parsed)) throw new Error(`${text} is no filter`);
    const judge = judgeOf([parsed.filter]);
    return LABELS.filter((label) => judge({ id: 7, label, share: 0.5, density: 0.001 }));
  }

  it.each(FILTERS.map(({ filter }) => filter as string))("%s is one", (text) => {
    expect(parseFilter(text)).toHaveProperty("filter");
    expect(shown(text)).not.toEqual([]);
  });

  it("hide and keep what they say", () => {
    const texts = FILTERS.map(({ filter }) => filter as string);
    const hidden = (text: string) => LABELS.filter((label) => !shown(text).includes(label));
    const hiding = texts.filter((text) => text.startsWith("hide:"));
    expect(hiding.map(hidden)).toEqual([
      ["promotes: Paris, Rome, Oslo"],
      ['the word "key"'],
      [null],
    ]);
    const keeping = texts.filter((text) => text.startsWith("keep:"));
    expect(keeping.map(shown)).toEqual([
      ["someone is in the kitchen"],
      ["the answer comes next: a place", "mentions of who is sad"],
    ]);
  });
});
