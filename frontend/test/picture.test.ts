// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import { linesOf, type Sheet, svgOf } from "../src/graph/picture";
import { nameFeature } from "../src/state/own-labels";
import { sayOrigin } from "../src/words/origin";
import { feature, SOURCE, started, streamed, token } from "./frames";

describe("the caption of a picture", () => {
  beforeEach(() => nameFeature(`${SOURCE}/7`, ""));

  it("cites model, sources, seed and the edits in force", () => {
    const edits = [{ source: SOURCE, feature: 7, scale: 0, where: "while_firing" as const }];
    const begin = started(1, [SOURCE], [{ name: "with", edits, seed: "1" }]);
    if (begin.type === "started") begin.params.seed = "18446744073709551615";
    const fired = [feature(7, 0, { label: "capitals", edited: true, before: 4 }), feature(8, 2)];
    const store = streamed(begin, token(2, 0, "a", fired), token(3, 1, "b", []));
    expect(sayOrigin(store)).toBe(
      "Axon, model axon-demo. Source: axon-demo/2-res. Seed 18446744073709551615. " +
        "Edits: “capitals” silenced. Token 2 of 2 on show.",
    );
  });

  it("says what is not known", () => {
    expect(sayOrigin(streamed())).toContain("not known");
    expect(sayOrigin(streamed(started(1), token(2, 0, "a", [])))).toContain(
      "Seed not known. No edits.",
    );
  });

  it("is broken between words", () => {
    const fits = (line: string): boolean => line.length <= 9;
    expect(linesOf("Axon, model axon-demonstration. Seed 4.", fits)).toEqual([
      "Axon,",
      "model",
      "axon-demonstration.",
      "Seed 4.",
    ]);
  });
});

describe("the picture as SVG", () => {
  it("has its words as text, with the graph as an image between them", () => {
    const word = { x: 1, y: 2, width: 50, font: '400 14px "Source Sans 3"', colour: "#fff" };
    const sheet: Sheet = {
      width: 300,
      height: 200,
      ground: "#000",
      stage: { left: 0, top: 64, width: 300, height: 100 },
      words: [
        { ...word, text: 'the word "<eos>" & more\u0001' },
        { ...word, text: "capitals", halo: "#000" },
      ],
      dots: [{ x: 5, y: 6, colour: "rgb(1 2 3)" }],
    };
    const text = svgOf(sheet, "data:image/png;base64,AAAA", "Axon, model a<b>.");
    const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    expect(svg.getAttribute("viewBox")).toBe("0 0 300 200");
    const words = [...svg.querySelectorAll("text")];
    expect(words.map(({ textContent }) => textContent)).toEqual([
      'the word "<eos>" & more',
      "capitals",
    ]);
    expect(words.map((one) => one.getAttribute("stroke"))).toEqual([null, "#000"]);
    expect(words[0]?.getAttribute("textLength")).toBe("50.0");
    expect(svg.querySelector("title")?.textContent).toBe("Axon, model a<b>.");
    expect(svg.querySelector("image")?.getAttribute("href")).toBe("data:image/png;base64,AAAA");
    expect(svg.querySelectorAll("circle")).toHaveLength(1);
  });
});
