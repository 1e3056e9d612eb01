// @vitest-environment happy-dom
/** What stands on the stage beside the picture: presenting, the legend, the tour, tokens by layers. */
import { beforeEach, describe, expect, it } from "vitest";
import { keptTour } from "../src/state/settings";
import { showLayers } from "../src/ui/layers";
import { showLegend } from "../src/ui/legend";
import { offerPresenting } from "../src/ui/present";
import { Tour } from "../src/ui/tour";
import { TOUR } from "../src/words";
import { feature, started, streamed, token } from "./frames";
import { openDocument, press } from "./page";
import { opened, generation } from "./playing";

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id}`);
  return found;
};

beforeEach(() => {
  openDocument();
  document.body.className = "";
  keptTour.save(null);
});

describe("presenting", () => {
  const isOn = () => document.body.classList.contains("presenting");
  const { store, clock, playhead } = opened(generation(1, 4), { speed: null });
  playhead.setPace(2);
  let listens = false;
  beforeEach(() => {
    // Listeners of the window outlive a document: one page is enough.
    if (!listens) offerPresenting(store, new URLSearchParams());
    listens = true;
    playhead.seek(1);
    playhead.toEnd();
    playhead.seek(2);
    if (isOn()) press("Escape");
  });

  it("begins and ends with F, and ends with Escape alone", () => {
    store.choose("m/1");
    press("f");
    expect(isOn()).toBe(true);
    press("Escape");
    expect([isOn(), store.wanted]).toEqual([false, "m/1"]);
    press("F");
    press("F");
    expect(isOn()).toBe(false);
  });

  it("gives a clicker's keys to the text, wherever the focus is", () => {
    for (const [key, at] of [
      ["PageDown", 3],
      ["ArrowRight", 4],
      ["PageUp", 3],
      ["ArrowLeft", 2],
    ] as const) {
      press(key);
      expect(playhead.at).toBe(at);
    }
    press(" ");
    expect(playhead.playing).toBe(true);
    press(" ");
    expect([playhead.playing, clock.run()]).toEqual([false, 0]);
    press("PageDown", byId("share"));
    expect(playhead.at).toBe(3);
  });

  it("leaves keys to who types, and to what is pressed with them", () => {
    const keys = ["PageDown", "ArrowLeft", " ", "f"];
    for (const key of keys) press(key, byId("prompt"));
    for (const key of [" ", "ArrowLeft"]) press(key, byId("share"));
    expect([playhead.at, playhead.playing, isOn()]).toEqual([2, false, false]);
  });
});

describe("the legend", () => {
  it("says of the picture what is drawn in it, and no more", () => {
    const two = [feature(1, 5, { source: "m/0" }), feature(2, 5, { source: "m/1" })];
    const store = streamed(started(1, ["m/0", "m/1"]), token(2, 0, "a", two));
    showLegend(store);
    const said = () => byId("legend").textContent;
    expect(said()).toBe("height: layer · light: activation · ring: this word");
    store.look({ sources: ["m/0"] });
    expect(said()).toBe("light: activation · ring: this word");
    store.choose("m/0/1");
    expect(said()).toBe("light: activation · ring: this word · outer ring: chosen");
  });
});

describe("the tour", () => {
  const card = () => byId("tour");
  const button = (name: string) => {
    const all = [...card().querySelectorAll("button")];
    const found = all.find(({ textContent }) => textContent === name);
    if (!found) throw new Error(`no button ${name}`);
    return found;
  };

  it("is shown once, step by step, and again when asked", () => {
    const tour = new Tour();
    tour.offer();
    expect([card().hidden, document.activeElement]).toEqual([false, document.body]);
    for (const { at, title } of TOUR) {
      expect(card().querySelector("h2")?.textContent).toBe(title);
      expect(document.querySelector(".toured")?.id).toBe(at);
      button(at === TOUR.at(-1)?.at ? "Done" : "Next").click();
    }
    expect([card().hidden, document.querySelector(".toured")]).toEqual([true, null]);
    openDocument();
    const other = new Tour();
    other.offer();
    expect(card().hidden).toBe(true);
    other.begin(0, true);
    expect([card().hidden, document.activeElement]).toEqual([false, button("Next")]);
  });

  it("ends with Escape, and gives the focus back", () => {
    const tour = new Tour();
    byId("prompt").focus();
    tour.begin(1, true);
    press("Escape", button("Back"));
    expect([card().hidden, document.activeElement?.id]).toEqual([true, "prompt"]);
  });
});

describe("tokens by layers, where there is no graph", () => {
  it("show how strongly the strongest feature of each layer fires", () => {
    const two = [
      feature(1, 5, { source: "m/0", max: 10, label: "capitals" }),
      feature(2, 8, { source: "m/1", max: 8 }),
    ];
    const store = streamed(started(1, ["m/0", "m/1"]), token(2, 0, " Paris", two));
    showLayers(store);
    const cells = [...byId("layers").querySelectorAll("i")];
    // The highest layer is on top.
    expect(cells.map(({ dataset, style }) => [dataset.tip, style.opacity])).toEqual([
      ["≈ at “Paris”: 100%", "1.00"],
      ["capitals: 50%", "0.53"],
    ]);
    expect(byId("layers").textContent).toBe("10Paris");
  });
});
