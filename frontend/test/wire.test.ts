import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { WireError } from "../src/wire/check";
import { parseFeatureInfo, parseModel } from "../src/wire/model";
import { parseMessage } from "../src/wire/parse";
import { parseRecording } from "../src/wire/recording";
import type { Frame } from "../src/wire/types";

const TOKEN = {
  type: "token",
  seq: 4,
  token: " Paris",
  step: 0,
  position: 6,
  logprob: -0.02,
  features: [
    { id: 482, label: "European capitals", activation: 3.21, layer: 2, source: "axon-demo/2-res" },
  ],
};

/** The frames of a message, and the errors of those left out. */
function read(text: string): { frames: Frame[]; broken: string[] } {
  const broken: string[] = [];
  const frames = parseMessage(text, (error) => broken.push(error.message));
  return { frames, broken };
}

function parse(value: unknown): Frame[] {
  const { frames, broken } = read(JSON.stringify(value));
  expect(broken).toEqual([]);
  return frames;
}

describe("parseMessage", () => {
  it("keeps every field of a token frame", () => {
    expect(parse(TOKEN)).toEqual([TOKEN]);
  });

  it("reads a feature without a label, as frames leave it out and old recordings have null", () => {
    const nameless = { id: 9, activation: 1, layer: 2, source: "axon-demo/2-res" };
    const frame = { ...TOKEN, features: [nameless] };
    expect(parse(frame)).toEqual([frame]);
    expect(parse({ ...TOKEN, features: [{ ...nameless, label: null }] })).toEqual([frame]);
  });

  it("reads a room frame with and without a token", () => {
    const room = { type: "room", seq: 0, room: "k3f9x2", role: "viewer", viewers: 3, open: false };
    expect(parse(room)).toEqual([room]);
    const mine = { ...room, role: "presenter", presenter_token: "t", published: false, epoch: 7 };
    expect(parse(mine)).toEqual([mine]);
  });

  it("unwraps batches, also nested ones, in order", () => {
    const queued = { type: "queued", seq: 1, position: 2 };
    const inner = { type: "batch", seq: 4, frames: [TOKEN] };
    const frames = parse({ type: "batch", seq: 4, frames: [queued, inner] });
    expect(frames.map((frame) => frame.type)).toEqual(["queued", "token"]);
  });

  it("skips frame types of a later version", () => {
    expect(parse({ type: "steered", seq: 5 })).toEqual([]);
    expect(parse({ type: "constructor", seq: 5 })).toEqual([]);
  });

  it("takes an error without a field", () => {
    const [frame] = parse({ type: "error", seq: 3, error: "busy", message: "wait" });
    expect(frame).toEqual({ type: "error", seq: 3, error: "busy", message: "wait", field: null });
  });

  it.each([
    ["not JSON", "{"],
    ["no object", "[]"],
    ["no type", "{}"],
    ["no seq", JSON.stringify({ ...TOKEN, seq: undefined })],
    ["text for a number", JSON.stringify({ ...TOKEN, position: "6" })],
    ["a feature without activation", JSON.stringify({ ...TOKEN, features: [{ id: 1 }] })],
    ["an unknown role", '{"type":"room","seq":0,"room":"r","role":"king","viewers":1}'],
  ])("refuses %s", (_what, text) => {
    const { frames, broken } = read(text);
    expect([frames.length, broken.length]).toEqual([0, 1]);
  });

  it("leaves out a broken frame of a batch and keeps the others", () => {
    const bad = { ...TOKEN, position: "6" };
    const frames = [TOKEN, bad, { ...TOKEN, seq: 6 }];
    const read_ = read(JSON.stringify({ type: "batch", seq: 6, frames }));
    expect(read_.frames.map(({ seq }) => seq)).toEqual([4, 6]);
    expect(read_.broken).toEqual(["token.position is not a number"]);
  });

  it("keeps a token's id, L0 and reconstruction error if it has them", () => {
    const details = {
      token_id: 6342,
      l0: { "axon-demo/2-res": 31 },
      reconstruction_error: { "axon-demo/2-res": 0.12 },
    };
    expect(parse({ ...TOKEN, ...details })).toEqual([{ ...TOKEN, ...details }]);
  });
});

describe("the bundled recording", () => {
  const path = new URL("../public/recordings/capital-of-france.jsonl", import.meta.url);
  const text = readFileSync(path, "utf8");

  it("parses whole, from started to finished, in the order of the log", () => {
    const frames = parseRecording(text).frames.map(({ frame }) => frame);
    expect(frames[0]?.type).toBe("started");
    expect(frames.some((frame) => frame.type === "finished")).toBe(true);
    expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, i) => i + 1));
  });

  it("is small enough to come with the page", () => {
    expect(text.length).toBeLessThan(150_000);
  });
});

describe("a recording of a room", () => {
  const head = '{"type":"recording","seq":0,"version":1,"room":"k3f9x2"}';
  const queued = '{"type":"queued","seq":1,"position":0,"time":5.25}';
  const end = '{"type":"end","seq":1,"frames":1}';

  const recorded = { frame: { type: "queued", seq: 1, position: 0 }, time: 5.25 };

  it("keeps the times of its frames", () => {
    expect(parseRecording([head, queued, end, ""].join("\n"))).toEqual({
      frames: [recorded],
      cut: false,
      skipped: 0,
      scenes: [],
    });
  });

  it.each([
    ["between two lines", [head, queued], 0],
    ["within a line", [head, queued, queued.slice(0, 20)], 0],
    ["within a line, without a head", [queued, queued.slice(0, 20)], 0],
    ["and with a line that says nothing", [head, queued, "{}", "", queued.slice(0, 20)], 1],
  ])("is played as far as it goes when it was cut off %s", (_what, lines, skipped) => {
    const recording = parseRecording(lines.join("\n"));
    expect(recording).toEqual({ frames: [recorded], cut: true, skipped, scenes: [] });
  });

  it("goes on after a broken line", () => {
    const recording = parseRecording([head, "?", queued, '{"type":"token"}', end].join("\n"));
    expect(recording).toEqual({ frames: [recorded], cut: false, skipped: 2, scenes: [] });
  });

  it.each([
    ["another kind of file", ["id;label", "1;cats"], "not a recording made by Axon"],
    ["other JSON", ['{"name":"axon"}'], "not a recording made by Axon"],
    ["an empty file", [], "empty"],
    ["one without frames", [head, '{"type":"end","seq":0,"frames":0}'], "nothing to play"],
    [
      "one of a later version",
      [head.replace('"version":1', '"version":2'), queued],
      "newer version of Axon",
    ],
  ])("is not played: %s", (_what, lines, message) => {
    expect(() => parseRecording(lines.join("\n"))).toThrow(WireError);
    expect(() => parseRecording(lines.join("\n"))).toThrow(message);
  });
});

describe("parseModel", () => {
  it("keeps bounds that do not fit a JavaScript number as text", () => {
    const model = parseModel({
      model: "axon-demo",
      sources: [{ id: "axon-demo/2-res", hook: "h", layer: 2, width: 9, architecture: "topk" }],
      params: {
        seed: { type: "integer", min: 0, max: "18446744073709551615", default: null },
        unheard_of: { type: "number" },
      },
    });
    expect(model.params).toEqual({
      seed: { min: "0", max: "18446744073709551615", default: null },
    });
    expect(model.sources[0]?.neuronpedia_url).toBeNull();
  });

  it("names the field at fault", () => {
    expect(() => parseModel({ model: "m", params: {} })).toThrow("model.sources");
  });
});

describe("parseFeatureInfo", () => {
  it("takes what is known, and null for the rest", () => {
    expect(parseFeatureInfo({ label: "capitals", score: 0.93 })).toEqual({
      label: "capitals",
      explainer: null,
      score: 0.93,
      density: null,
      max_activation: null,
      neuronpedia_url: null,
      promoted: null,
      suppressed: null,
      neighbors: null,
      kin: null,
      examples: null,
      weights_error: null,
    });
  });

  it("takes what the feature's weights say", () => {
    const told = parseFeatureInfo({
      promoted: [{ token: " Paris", token_id: 6342, logit: 1.5 }],
      suppressed: [],
      neighbors: [{ index: 7, cosine: 0.4 }],
    });
    expect(told.promoted).toEqual([{ token: " Paris", logit: 1.5 }]);
    expect([told.suppressed, told.neighbors]).toEqual([[], [{ index: 7, cosine: 0.4 }]]);
  });
});
