// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import { editsInForce, Store } from "../src/state/store";
import { Dial } from "../src/ui/dial";
import { EditChips } from "../src/ui/edit-chips";
import { TextView } from "../src/ui/text";
import type { Branch, Edit, EditRequest, Frame, TokenFrame } from "../src/wire/types";
import { error, feature, finished, replayed, SOURCE, started, token } from "./frames";
import { openDocument, press } from "./page";

const KEY = featureKey(SOURCE, 7);
const FEATURE = { source: SOURCE, id: 7 };
const SILENT: Edit = { source: SOURCE, feature: 7, scale: 0, where: "while_firing" };
const DOUBLE: Edit = { ...SILENT, scale: 2 };

const branch = (name: string, edits: Edit[] = []): Branch => ({ name, seed: "1", edits });
const TWIN = [branch("as is"), branch("with", [SILENT])];

function of(index: number, frame: Frame): Frame {
  return { ...(frame as TokenFrame), branch: index };
}

/** Two texts that part at their second token. */
const PARTED: Frame[] = [
  started(1, [SOURCE], TWIN),
  of(0, token(2, 0, "a", [feature(7, 5, { label: "capitals" }), feature(1, 5)])),
  of(1, token(3, 0, "a", [feature(7, 0, { edited: true, before: 5 }), feature(1, 5)])),
  of(0, token(4, 1, "b", [feature(7, 6)])),
  of(1, token(5, 1, "c", [feature(2, 6)])),
  of(1, token(6, 2, "d", [feature(2, 6)])),
];

function edited(seq: number, edits: Edit[], position = 4, index = 1): Frame {
  return { type: "edited", seq, branch: index, position, edits };
}

/** A presenter's page; `sent` are its messages. */
function page(...frames: Frame[]): { store: Store; sent: EditRequest[] } {
  const store = new Store();
  const sent: EditRequest[] = [];
  store.reach.send = (message) => sent.push(message) > 0;
  store.apply({ type: "room", seq: 0, room: "r", role: "presenter", viewers: 1, open: false });
  store.set({ connection: { state: "open" } });
  for (const frame of frames) store.apply(frame);
  return { store, sent };
}

function ready(store: Store): void {
  const facts = { hook: "", width: 99, architecture: "", neuronpedia_url: null };
  const model = {
    model: "axon-demo",
    models: [],
    sources: [{ id: SOURCE, layer: 2, ...facts }],
    params: {},
    maxPromptCharacters: null,
    maxAlternatives: 0,
    paced: false,
  };
  store.set({ backend: { state: "ready", model } });
}

function all(selector: string): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>(selector)];
}

const texts = (selector: string): string[] => all(selector).map(({ textContent }) => textContent);

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("edits wished", () => {
  it("are part of the next request, beside a twin unless that is switched off", () => {
    const { store, sent } = page();
    expect(store.reach.request()).toEqual({});
    store.reach.turn(FEATURE, { scale: 0 });
    expect(store.reach.request()).toEqual({
      branches: [{ name: "as is" }, { name: "with", edits: [SILENT] }],
    });
    store.reach.twin = false;
    expect(store.reach.request()).toEqual({ edits: [SILENT] });
    expect(sent).toEqual([]);
  });

  it("are sent at once for the edited branch of a running generation", () => {
    const { store, sent } = page(...PARTED);
    expect(store.reach.edits).toEqual([SILENT]);
    store.reach.turn(FEATURE, { scale: 2 });
    expect(sent).toEqual([{ type: "edit", branch: 1, edits: [DOUBLE] }]);
    store.apply(edited(7, [DOUBLE]));
    expect(store.reach.edits).toEqual([DOUBLE]);
    store.apply(finished(8));
    store.reach.turn(FEATURE, null);
    expect(sent).toHaveLength(1);
  });

  it("that changed while the request waited are sent when it starts", () => {
    const { store, sent } = page();
    store.reach.turn(FEATURE, { scale: 0 });
    store.reach.request();
    store.room.stream.requested();
    store.reach.turn(FEATURE, { scale: 2 });
    expect(sent).toEqual([]);
    store.apply(started(1, [SOURCE], TWIN));
    expect(sent).toEqual([{ type: "edit", branch: 1, edits: [DOUBLE] }]);
  });

  it("follow the room's run, but not over what a hand has changed since", () => {
    const { store } = page(started(1, [SOURCE], TWIN));
    expect(store.reach.edits).toEqual([SILENT]);
    store.apply(edited(2, [DOUBLE]));
    expect(store.reach.edits).toEqual([DOUBLE]);
    store.apply(finished(3));
    store.reach.change([]);
    store.apply(started(4, [SOURCE], TWIN));
    expect(store.reach.edits).toEqual([]);
  });

  it("wait for the last answer when the hand is faster than the server", () => {
    const { store } = page(...PARTED);
    store.reach.turn(FEATURE, { scale: 2 });
    store.reach.turn(FEATURE, null);
    store.apply(edited(7, [DOUBLE]));
    expect(store.reach.edits).toEqual([]);
    store.apply(edited(8, []));
    expect(store.reach.edits).toEqual([]);
  });

  it("go back to what is in force when they are refused, and say which it was", () => {
    const { store } = page(...PARTED);
    store.reach.turn({ source: SOURCE, id: 1 }, { scale: 2 });
    store.apply(error("not_editable", "edits[1].source", 6));
    expect(store.reach.edits).toEqual([SILENT]);
    expect(store.reach.refused).toMatchObject({
      problem: { code: "not_editable" },
      edit: { feature: 1 },
    });
    store.reach.turn(FEATURE, null);
    expect(store.reach.refused).toBeNull();
  });

  it("stay when a request is refused, to be mended", () => {
    const { store } = page();
    store.reach.turn(FEATURE, { scale: 0 });
    store.reach.request();
    store.room.stream.requested();
    store.apply(error("unknown_feature", "branches[1].edits[0].feature"));
    expect(store.reach.edits).toEqual([SILENT]);
    expect(store.reach.refused?.edit).toEqual(SILENT);
  });
});

describe("a twin", () => {
  it("shows the edited text first; its tokens count once however often it is chosen", () => {
    const { store } = page(...PARTED);
    const { session, playhead } = store;
    const read = (): string => session.tokens.map(({ text }) => text).join("");
    expect([session.branch, read()]).toEqual([1, "acd"]);
    for (const index of [0, 1, 0]) playhead.choose(index);
    expect([session.branch, read()]).toEqual([0, "ab"]);
    const [capitals, other] = [session.feature(KEY), session.feature(featureKey(SOURCE, 2))];
    expect([capitals?.fired, capitals?.peak, other?.fired]).toEqual([2, 6, 2]);
    expect(capitals && session.timesOf(capitals)).toBe(2);
    expect(session.partingOf(1)).toBe(1);
  });

  it("goes on in both texts at once, and stands at the same token in both", () => {
    const store = replayed(...PARTED, finished(7));
    const { session, playhead } = store;
    expect(session.tokensOf(0)).toHaveLength(2);
    playhead.seek(1);
    playhead.choose(0);
    expect(playhead.token?.text).toBe("b");
    playhead.choose(1);
    playhead.seek(2);
    playhead.choose(0);
    expect([playhead.token, playhead.at]).toEqual([null, 1]);
  });

  it("has two texts, with the word where they part marked in both; a click shows one", () => {
    const { store } = page(...PARTED);
    new TextView(store);
    expect(texts(".tokens")).toEqual(["ab", "acd"]);
    expect(texts(".chip.parting")).toEqual(["b", "c"]);
    expect(all(".chip.parting")[0]?.getAttribute("aria-description")).toContain("part here");
    expect(texts(".branch")).toEqual(["as is", "with “capitals” silenced · on show"]);
    all(".branch")[0]?.click();
    expect(store.session.branch).toBe(0);
    expect(all(".branch").map((name) => name.getAttribute("aria-pressed"))).toEqual([
      "true",
      "false",
    ]);
    all(".chip.parting")[1]?.click();
    expect([store.session.branch, store.playhead.token?.text]).toEqual([1, "c"]);
    expect(texts(".chip[aria-selected=true]")).toEqual(["c"]);
    store.apply(finished(7));
    store.apply(started(8));
    expect(all(".pane:not([hidden])")).toHaveLength(1);
    expect(texts(".branch:not([hidden])")).toEqual([]);
  });
});

describe("the chips beside the prompt", () => {
  it("say what is done, and a cross takes it away", () => {
    const { store, sent } = page(...PARTED);
    ready(store);
    new EditChips(store, () => Promise.resolve(null));
    expect(texts(".edit .name")).toEqual(["“capitals” silenced"]);
    expect(texts("#edits-when")).toEqual(["in force"]);
    document.querySelector<HTMLElement>(".edit .remove")?.click();
    expect(sent).toEqual([{ type: "edit", branch: 1, edits: [] }]);
    expect(document.querySelector<HTMLElement>("#edits")?.hidden).toBe(true);
  });

  it("of a recording are those in force at the token on show", () => {
    const frames = [...PARTED, edited(7, [], 3), finished(8)];
    const store = replayed(...frames);
    ready(store);
    new EditChips(store, () => Promise.resolve(null));
    expect(texts(".edit .name")).toEqual([]);
    store.playhead.seek(0);
    expect(editsInForce(store)).toEqual([SILENT]);
    expect(texts(".edit")).toEqual(["“capitals” silenced"]);
  });

  it("of a link learn the names of features that have not fired here", async () => {
    const { store } = page();
    ready(store);
    store.reach.turn(FEATURE, { swap_with: 9 });
    const facts = { density: null, max_activation: null };
    const ask = vi.fn(() =>
      Promise.resolve(
        new Map([
          [7, { label: "France", ...facts }],
          [9, { label: "Japan", ...facts }],
        ]),
      ),
    );
    new EditChips(store, ask);
    expect(texts(".edit .name")).toEqual(["feature 9 in place of feature 7"]);
    await vi.waitFor(() => {
      expect(texts(".edit .name")).toEqual(["“Japan” in place of “France”"]);
    });
    expect(ask).toHaveBeenCalledExactlyOnceWith(SOURCE, [7, 9]);
  });
});

describe("the dial", () => {
  function dial(role: "presenter" | "viewer" = "presenter") {
    const { store, sent } = page(...PARTED, finished(7));
    ready(store);
    store.apply({ type: "room", seq: 7, room: "r", role, viewers: 2, open: false });
    store.reach.change([]);
    const found = [
      { source: SOURCE, index: 9, label: "Japan" },
      { source: "axon-demo/1-res", index: 8, label: "Japan, one layer below" },
    ];
    const { element } = new Dial(store, () => Promise.resolve(found));
    document.body.append(element);
    store.choose(KEY);
    const button = (name: string): HTMLButtonElement => {
      const one = [...element.querySelectorAll("button")].find((b) => b.textContent === name);
      if (!one) throw new Error(`there is no ${name}`);
      return one;
    };
    return { store, sent, element, button };
  }

  it("turns the chosen feature, and shows what is done to it", () => {
    const { store, element, button } = dial();
    for (const [name, edits] of [
      ["Silence", [SILENT]],
      ["×4", [{ ...SILENT, scale: 4 }]],
      ["Minus", [{ ...SILENT, scale: -1 }]],
      ["Off", []],
    ] as [string, Edit[]][]) {
      button(name).click();
      expect(store.reach.edits).toEqual(edits);
      const pressed = [...element.querySelectorAll("[aria-pressed=true]")];
      expect(pressed.map(({ textContent }) => textContent)).toEqual([name]);
    }
  });

  it("puts another feature of the same source in place of it, by keyboard alone", async () => {
    const { store, element, button } = dial();
    button("Put another in place of it").click();
    const field = element.querySelector("input");
    if (!field) throw new Error("there is no field");
    expect(document.activeElement).toBe(field);
    field.value = "Japan";
    field.dispatchEvent(new Event("input"));
    await vi.waitFor(() => {
      const hits = [...element.querySelectorAll("[role=option]")];
      expect(hits.map(({ textContent }) => textContent)).toEqual(["Japan#9"]);
    });
    press("Enter", field);
    expect(store.reach.edits).toEqual([
      { source: SOURCE, feature: 7, swap_with: 9, where: "while_firing" },
    ]);
    expect(store.labelOf(featureKey(SOURCE, 9))).toBe("Japan");
  });

  it("turns no ninth feature, and says so", () => {
    const { store, element, button } = dial();
    for (let id = 20; id < 28; id += 1) store.reach.turn({ source: SOURCE, id }, { scale: 2 });
    expect(button("Silence").disabled).toBe(true);
    expect(element.textContent).toContain("Eight edits");
    store.reach.turn({ source: SOURCE, id: 20 }, null);
    expect(button("Silence").disabled).toBe(false);
  });

  it("says why the server did not take an edit", () => {
    const { store, element, button } = dial();
    button("Silence").click();
    store.apply(error("not_editable", "branches[1].edits[0].source", 7));
    const problem = element.querySelector("[role=alert]");
    expect(problem?.textContent).toContain("“capitals” silenced");
    expect(problem?.textContent).toContain("cannot be edited");
  });

  it("is not for those who only watch, nor for features of another model", () => {
    const watching = dial("viewer");
    expect(watching.button("Silence").disabled).toBe(true);
    expect(watching.element.textContent).toContain("Only the presenter");
    const { store, element, button } = dial();
    store.chooseUnseen("other/0-res", 3, null);
    expect(button("Silence").disabled).toBe(true);
    expect(element.textContent).toContain("no such source");
  });
});
