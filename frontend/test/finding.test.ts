import { describe, expect, it } from "vitest";
import { search } from "../src/state/query";
import { follow } from "../src/state/signals";
import { Store } from "../src/state/store";
import { activationLines } from "../src/ui/files";
import { feature, SOURCE, started, streamed, token } from "./frames";

function room(): Store {
  const store = new Store();
  store.apply(started(1));
  store.apply(
    token(2, 0, " Paris", [
      feature(17, 4, { label: "names of capitals" }),
      feature(4821, 3, { label: "capitals" }),
      feature(3, 2, { label: "a city is due" }),
    ]),
  );
  store.apply(token(3, 1, ".", [feature(170, 5, { label: "full stops" }), feature(9, 1)]));
  return store;
}

const SOURCES = [
  { id: SOURCE, width: 5000 },
  { id: "axon-demo/1-res", width: 1024 },
];

describe("search", () => {
  const found = (text: string, limit = 12): (string | number)[] =>
    search(room().session, SOURCES, text, limit).map(({ feature: hit, id, source }) =>
      hit ? (hit.label ?? id) : `${source}/${id}`,
    );

  it("puts the whole label first, then beginnings, then the rest", () => {
    expect(found("capitals")).toEqual(["capitals", "names of capitals"]);
    expect(found("ca")).toEqual(["capitals", "names of capitals"]);
    expect(found("due city")).toEqual(["a city is due"]);
    expect(found("zebra")).toEqual([]);
    expect(found("  ")).toEqual([]);
  });

  it("puts whole words before beginnings of words, and those before what is inside words", () => {
    const store = new Store();
    const labels = ["comparisons", "in Parisian bars", 'the word "Paris"', "Paris and Rome"];
    const fired = labels.map((label, id) => feature(id, 9 - id, { label }));
    store.apply(started(1));
    store.apply(token(2, 0, "a", fired));
    const hits = search(store.session, SOURCES, "Paris", 12);
    expect(hits.map(({ label }) => label)).toEqual([labels[2], labels[3], labels[1]]);
    // What is only inside other words is found where nothing else is.
    expect(search(store.session, SOURCES, "paris", 12)).toHaveLength(3);
    expect(search(store.session, SOURCES, "aris", 12).map(({ label }) => label)).toEqual(labels);
  });

  it("leaves out what has the word inside others also of the whole model, once it is found", () => {
    const elsewhere = [
      { source: SOURCE, index: 76, label: "encapitalsed" },
      { source: SOURCE, index: 77, label: "capitals of old" },
    ];
    const hits = search(room().session, SOURCES, "capitals", 12, elsewhere);
    expect(hits.map(({ id }) => id)).toEqual([4821, 17, 77]);
    const [only] = search(room().session, SOURCES, "capitalsed", 12, elsewhere.slice(0, 1));
    expect(only?.id).toBe(76);
  });

  it("lists each name once before any twice", () => {
    const labels = ["rivers", "rivers", "rivers", "rivers of old"];
    const store = new Store();
    store.apply(started(1));
    store.apply(token(2, 0, "a", labels.map((label, id) => feature(id, 9 - id, { label })))); // prettier-ignore
    const ids = (limit: number): number[] =>
      search(store.session, SOURCES, "rivers", limit).map(({ id }) => id);
    expect(ids(12)).toEqual([0, 3, 1, 2]);
    expect(ids(2)).toEqual([0, 3]);
  });

  it("puts features of the whole model after those seen, each once", () => {
    const elsewhere = [
      { source: SOURCE, index: 4821, label: "capitals" },
      { source: SOURCE, index: 77, label: "capitals of old" },
    ];
    const hits = search(room().session, SOURCES, "capitals", 12, elsewhere);
    expect(hits.map(({ id, label }) => [id, label])).toEqual([
      [4821, "capitals"],
      [17, "names of capitals"],
      [77, "capitals of old"],
    ]);
    expect(hits.map(({ feature: seen }) => seen !== null)).toEqual([true, true, false]);
  });

  it("finds indices: seen ones first, then those that have not fired", () => {
    expect(found("17")).toEqual(["names of capitals", "full stops", "axon-demo/1-res/17"]);
    expect(found("#4821")).toEqual(["capitals"]);
    expect(found("18")).toEqual(["axon-demo/2-res/18", "axon-demo/1-res/18"]);
    expect(found("17", 1)).toEqual(["names of capitals"]);
  });
});

describe("passes", () => {
  it("checks sources and filters, and passVersion says when to ask again", () => {
    const store = room();
    const [capitals] = store.session.features;
    if (!capitals) throw new Error("no feature");
    const before = store.passVersion;
    store.look({ filters: [{ kind: "hide", pattern: "capitals" }] });
    expect(store.passes(capitals)).toBe(false);
    expect(store.passVersion).not.toBe(before);
    store.look({ filters: [] });
    expect(store.passes(capitals)).toBe(true);
    store.look({ sources: [] });
    expect(store.passes(capitals)).toBe(false);
  });

  it("is to be asked again when a label comes late", () => {
    const store = room();
    const nameless = store.session.feature(`${SOURCE}/9`);
    if (!nameless) throw new Error("no feature");
    store.look({ filters: [{ kind: "hide", pattern: "late" }] });
    const before = store.passVersion;
    expect(store.passes(nameless)).toBe(true);
    store.apply({ type: "labels", seq: 4, source: SOURCE, labels: { 9: "came late" } });
    expect(store.passVersion).not.toBe(before);
    expect(store.passes(nameless)).toBe(false);
  });
});

describe("a feature that has not fired", () => {
  it("can be chosen, and is replaced by the real one when it fires", () => {
    const store = room();
    const labels: unknown[] = [];
    follow(() => {
      labels.push(store.chosen?.label);
    });
    store.chooseUnseen(SOURCE, 99, "found once");
    store.chooseUnseen(SOURCE, 99, null);
    expect(labels).toEqual([undefined, "found once", null]);
    expect(store.chosen).toMatchObject({ key: `${SOURCE}/99`, index: -1, fired: 0 });
    expect(store.session.features).toHaveLength(5);
    store.apply(token(4, 2, "!", [feature(99, 1)]));
    expect(store.chosen).toMatchObject({ index: 5, fired: 1 });
  });
});

describe("activationLines", () => {
  it("has a header line, then one line per token", () => {
    const { session } = room();
    const [head, first, second, ...rest] = activationLines(session, () => true, [])
      .split("\n")
      .map((line): unknown => (line === "" ? null : JSON.parse(line)));
    expect(head).toMatchObject({
      type: "activations",
      version: 1,
      model: "axon-demo",
      filters: [],
    });
    expect(first).toMatchObject({ token: " Paris", position: 2, origin: "generated" });
    expect(second).toMatchObject({
      source_features: [
        {
          source: SOURCE,
          layer: 2,
          features: [
            { id: 170, label: "full stops", activation: 5 },
            { id: 9, label: null, activation: 1 },
          ],
        },
      ],
    });
    expect(rest).toEqual([null]);
  });

  it("leaves out what does not pass, and names the filters", () => {
    const { session } = room();
    const lines = activationLines(session, ({ id }) => id === 9, ["keep: #9"]);
    expect(lines).toContain('"filters":["keep: #9"]');
    expect(lines.match(/"activation":/gu)).toHaveLength(1);
  });

  it("says of a feature that edits changed what it was, also if they silenced it", () => {
    const { session } = streamed(
      started(1),
      token(2, 0, "a", [feature(2, 0, { edited: true, before: 4 }), feature(1, 5)]),
    );
    const line = activationLines(session, () => true, []).split("\n")[1] ?? "";
    expect((JSON.parse(line) as { source_features: unknown[] }).source_features).toMatchObject([
      {
        features: [
          { id: 1, label: null, activation: 5 },
          { id: 2, label: null, activation: 0, edited: true, before: 4 },
        ],
      },
    ]);
  });
});
