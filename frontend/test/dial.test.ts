// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import { Dial } from "../src/ui/dial";
import { EditChips } from "../src/ui/edit-chips";
import type { Edit } from "../src/wire/types";
import { error, finished, replayed, SOURCE, started } from "./frames";
import { openDocument, press } from "./page";
import { DOSES, edited, FEATURE, KEY, page, PARTED, ready, SILENT, texts } from "./twin";

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("the chips beside the prompt", () => {
  it("say what is done, and a cross takes it away", () => {
    const { store, sent } = page(...PARTED);
    ready(store);
    new EditChips(store, () => Promise.resolve(null));
    expect(texts(".edit .name")).toEqual(["“capitals” silenced"]);
    expect(texts("#edits-when")).toEqual(["in force"]);
    store.reach.turn({ source: SOURCE, id: 1 }, { scale: 2 });
    expect(texts("#edits-when")).toEqual(["not in force yet"]);
    store.reach.turn({ source: SOURCE, id: 1 }, null);
    store.apply(edited(7, [SILENT]));
    sent.length = 0;
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
    expect(store.editsInForce).toEqual([SILENT]);
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

  it("asks for a text of each dose, as many as the server writes side by side", () => {
    const { store, button } = dial();
    const asked: unknown[] = [];
    store.reach.generate = (texts) => asked.push(texts);
    button("Doses").click();
    const dosed = [0, 0.5, 2].map((scale) => ({
      name: `×${scale}`,
      edits: [{ ...SILENT, scale }],
    }));
    expect(asked).toEqual([{ branches: [{ name: "as is" }, ...dosed] }]);
    store.apply(started(8, [SOURCE], DOSES));
    expect(button("Doses").disabled).toBe(true);
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
