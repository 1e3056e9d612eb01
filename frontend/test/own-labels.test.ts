// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey, nameOf } from "../src/state/feature";
import { labelsFile, nameFeature, ownLabels, takeLabels } from "../src/state/own-labels";
import { search } from "../src/state/query";
import { loadLabels } from "../src/state/settings";
import { Store } from "../src/state/store";
import { offerLabels } from "../src/ui/own-name";
import { Inspector } from "../src/ui/inspector";
import { feature, SOURCE, started, streamed, token } from "./frames";
import { openDocument } from "./page";

const KEY = featureKey(SOURCE, 7);

function room(): Store {
  return streamed(started(1), token(2, 0, "a", [feature(7, 5, { label: "names of cities" })]));
}

beforeEach(() => {
  openDocument();
  for (const key of ownLabels().keys()) nameFeature(key, "");
  localStorage.clear();
});

describe("one's own label", () => {
  it("stands in place of the label wherever that is shown, and says whose it is", () => {
    const store = room();
    const [seen] = store.session.features;
    const before = store.passVersion;
    nameFeature(KEY, "  seats of\n government ");
    expect(seen && nameOf(seen)).toBe("seats of government (yours)");
    expect(store.labelOf(KEY)).toBe("seats of government (yours)");
    expect(search(store.session, [], "seats", 9).map(({ label }) => label)).toEqual([
      "seats of government (yours)",
    ]);
    expect(store.passVersion).not.toBe(before);
    store.look({ filters: [{ kind: "keep", pattern: "yours" }] });
    expect(seen && store.passes(seen)).toBe(true);
    // What the source says stays what it was.
    expect(seen?.label).toBe("names of cities");
    nameFeature(KEY, " ");
    expect(seen && nameOf(seen)).toBe("names of cities");
  });

  it("is kept in the browser", () => {
    nameFeature(KEY, "capitals");
    expect(loadLabels()).toEqual([[KEY, "capitals"]]);
  });

  it("is not taken for the label of a feature that has not fired", () => {
    const store = room();
    const key = featureKey(SOURCE, 99);
    nameFeature(key, "mine");
    store.chooseUnseen(SOURCE, 99, store.labelOf(key));
    expect(store.chosen?.label).toBeNull();
    expect(store.chosen && nameOf(store.chosen)).toBe("mine (yours)");
  });
});

describe("the file of one's own labels", () => {
  it("is read back, over those that are there", () => {
    nameFeature("gpt2-small/8-res-jb/170", "names of rivers");
    nameFeature("gpt2-small/8-res-jb/17", "capitals");
    const file = labelsFile();
    for (const key of ownLabels().keys()) nameFeature(key, "");
    nameFeature(KEY, "stays");
    expect(takeLabels(file)).toBe(2);
    expect(ownLabels().get("gpt2-small/8-res-jb/170")).toBe("names of rivers");
    expect(ownLabels().get(KEY)).toBe("stays");
  });

  it.each([
    ['["capitals"]', "the file"],
    ['{"17": "capitals"}', "17 must have the form"],
    ['{"a/b/x": "capitals"}', "a/b/x must have the form"],
    ['{"a/b/1": 2}', "a/b/1 must have the form"],
    ['{"a/b/1": " "}', "1 to 500 characters"],
    [JSON.stringify({ "a/b/1": "x".repeat(501) }), "1 to 500 characters"],
  ])("is refused as a whole where it is not one: %s", (text, why) => {
    expect(() => takeLabels(text)).toThrow(why);
    expect(ownLabels().size).toBe(0);
  });

  it("is taken in from the menu, which says what came of it", async () => {
    const said: string[] = [];
    offerLabels((text) => said.push(text));
    const input = document.querySelector<HTMLInputElement>("#labels-file");
    const give = (text: string): void => {
      const file = new File([text], "mine.json");
      Object.defineProperty(input, "files", { value: [file], configurable: true });
      input?.dispatchEvent(new Event("change"));
    };
    give(`{"${KEY}": "capitals"}`);
    await vi.waitFor(() => expect(said).toEqual(["1 label was taken in as yours."]));
    give("no json");
    await vi.waitFor(() => expect(said[1]).toMatch(/^mine\.json was not taken in: /u));
    expect(document.querySelector<HTMLButtonElement>("#export-labels")?.disabled).toBe(false);
  });
});

describe("the inspector", () => {
  it("names a feature, keeps its label in view, and takes the name away", () => {
    const store = room();
    new Inspector(
      store,
      () => Promise.resolve(null),
      () => Promise.resolve([]),
      () => Promise.resolve(null),
    );
    store.choose(KEY);
    const panel = document.querySelector("#inspector");
    const [button] = panel?.querySelectorAll<HTMLElement>(".tools button") ?? [];
    const field = panel?.querySelector<HTMLInputElement>(".own-name input");
    const name = (text: string): void => {
      button?.click();
      if (field) field.value = text;
      panel?.querySelector("form")?.dispatchEvent(new Event("submit"));
    };
    name("capitals");
    expect(panel?.querySelector("h2")?.textContent).toBe("capitals (yours)");
    expect(panel?.textContent).toContain("Its label: names of cities");
    expect(button?.textContent).toBe("Rename");
    button?.click();
    expect(field?.value).toBe("capitals");
    button?.click();
    name("");
    expect(panel?.querySelector("h2")?.textContent).toBe("names of cities");
    expect(panel?.querySelector<HTMLElement>(".own-name p")?.hidden).toBe(true);
  });
});
