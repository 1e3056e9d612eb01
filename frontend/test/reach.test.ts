// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import { featureKey } from "../src/state/feature";
import { TextView } from "../src/ui/text";
import { error, finished, replayed, SOURCE, started } from "./frames";
import { openDocument } from "./page";
import {
  all,
  DOSED,
  DOUBLE,
  edited,
  FEATURE,
  KEY,
  page,
  PARTED,
  SILENT,
  texts,
  TWIN,
} from "./twin";

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("a dose series", () => {
  it("has a row for each text, with the word where it parts from the untouched one", () => {
    new TextView(page(...DOSED, finished(10)).store);
    expect(all("#text")[0]?.className).toBe("twins rows");
    expect(texts("#text-title")).toEqual(["Doses of “capitals”"]);
    expect(texts(".branch")).toEqual(["as is", "×0", "×0.5", "×2"]);
    const parting = all(".pane").map((pane) => pane.querySelector(".parting")?.textContent);
    expect(parting).toEqual(["b", "c", undefined, "d"]);
  });

  it("leaves the edits wished alone, and takes none while it is written", () => {
    const { store, sent } = page(...DOSED);
    expect(store.reach.edits).toEqual([]);
    store.reach.turn(FEATURE, { scale: 2 });
    expect(sent).toEqual([]);
    store.apply(edited(10, [SILENT]));
    expect(store.reach.edits).toEqual([DOUBLE]);
  });
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

  it("of a link stay while the room's log is read, and what a hand has changed since", () => {
    const { store } = page();
    store.reach.turn(FEATURE, { scale: 4 });
    for (const frame of [started(1, [SOURCE], TWIN), edited(2, [DOUBLE])]) store.apply(frame);
    expect(store.reach.edits).toEqual([{ ...SILENT, scale: 4 }]);
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
