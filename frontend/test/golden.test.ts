import { describe, expect, it } from "vitest";
import { parseMessage } from "../src/wire/parse";
import type { Effect, Frame } from "../src/wire/types";
import { streamed } from "./frames";
import { exported } from "../src/state/graph-export";
import { type AnswerEvent, type Explaining, parseAnswer, type Path } from "../src/wire/causes";
import { labelsFile, nameFeature } from "../src/state/own-labels";
import { ANSWERS, FRAMES, GRAPH, LABELS_FILE } from "./golden";

function parsed(name: string): Frame[] {
  return parseMessage(JSON.stringify(FRAMES[name]), (error) => {
    throw error;
  });
}

function only(name: string): Frame {
  const [frame, ...others] = parsed(name);
  if (!frame || others.length > 0) throw new Error(`${name} is not one frame`);
  return frame;
}

describe("the gateway's frames", () => {
  it.each(Object.keys(FRAMES).filter((name) => !["batch", "pong"].includes(name)))(
    "%s is read whole",
    (name) => {
      const seen = new Map<string, unknown>(Object.entries(only(name)));
      for (const [field, value] of Object.entries<unknown>(FRAMES[name] ?? {})) {
        // Parsed frames have no `time`, and null timings become an empty object.
        if (field === "time") continue;
        expect(seen.get(field), field).toEqual(field === "timings" ? (value ?? {}) : value);
      }
    },
  );

  it.each(Object.keys(ANSWERS))("%s, of an answer, is read whole", (name) => {
    const { seq, time, id, ...content } = ANSWERS[name] as Record<string, unknown>;
    expect([seq, time]).not.toContain(undefined);
    expect(id === undefined).toBe(name !== "error_of_question");
    expect(parseAnswer(content)).toEqual(content);
    expect(parseAnswer({ ...content, type: "newer" })).toBeNull();
  });

  it("tell what speaks for a token, or that nobody measured it", () => {
    const log = streamed(only("started"), only("prompt"), only("token"), only("effects"), only("effects_missed")).room.stream.newest; // prettier-ignore
    const causes = log?.branch(0).causesAt(2);
    expect(causes).toMatchObject({ active: 312, tried: 64, rival: { token: " London" } });
    expect(causes?.effects.map(({ logprob }) => logprob)).toEqual([-2.25, 0.5]);
    expect(log?.branch(1).causesAt(2)).toBeNull();
    expect(log?.branch(0).causesAt(1)).toBeUndefined();
  });

  it("of an answer make the graph that the client's library makes", () => {
    const told = (name: string): AnswerEvent | null => parseAnswer(ANSWERS[name]);
    const explaining = told("explaining") as unknown as Explaining;
    const effects = [told("effect"), told("effect_everywhere")] as unknown as Effect[];
    const paths = [told("path")] as unknown as Path[];
    const graph = exported({ ...explaining, effects, paths });
    expect(JSON.parse(JSON.stringify(graph))).toEqual(GRAPH);
  });

  it("a pong gives no frame, a batch gives the frames in it", () => {
    expect(parsed("pong")).toEqual([]);
    expect(parsed("batch").map(({ type }) => type)).toEqual(["token", "labels"]);
  });

  it("give a session when applied one after another", () => {
    const frames = Object.keys(FRAMES).flatMap(parsed);
    const { session, presence } = streamed(...frames);
    expect(presence).toMatchObject({
      room: "k3f9x2",
      presenting: true,
      presenter_token: "secret",
    });
    expect(session.run?.params.seed).toBe("18446744073709551615");
    expect(session.tokens.map(({ text }) => text)).toEqual(["<|endoftext|>", "The", " Paris"]);
    expect(session.feature("axon-demo/2-res/9")?.label).toBe("European geography");
    expect(session.problem).toMatchObject({ code: "out_of_range", field: "top_p" });
  });

  it("give each branch a log of its own, with its plan, its edits, its end and its alternatives", () => {
    const names = ["started_twin", "prompt_of_branch", "token_of_branch", "edited", "branch_ended"];
    const run = streamed(...names.map(only)).room.stream.newest;
    expect(run?.settings).toMatchObject({ pace: 10, alternatives: 2 });
    expect([run?.branch(0).plan?.name, run?.branch(1).plan?.name]).toEqual(["as is", "silent"]);
    expect(run?.branch(0).tokens).toEqual([]);
    const silent = run?.branch(1);
    expect(silent?.tokens.map(({ text, logprob }) => [text, logprob])).toEqual([
      ["<|endoftext|>", null],
      ["The", -3.5],
      [" Rome", -1.25],
    ]);
    const [, prompt, made] = silent?.tokens ?? [];
    expect(made?.details.alternatives?.map(({ token, logprob }) => [token, logprob])).toEqual([
      [" Paris", -0.75],
      [" Rome", -1.25],
    ]);
    for (const token of [prompt, made]) {
      expect(token?.active.map(({ feature: { id } }) => id)).toEqual([9]);
      expect(token?.edited).toMatchObject([{ feature: { id: 7 }, activation: 0, before: 2.25 }]);
    }
    expect(silent?.editsAt(2).map(({ scale }) => scale)).toEqual([0]);
    expect(silent?.editsAt(3).map(({ swap_with: other }) => other)).toEqual([undefined, 9]);
    expect(run?.branch(0).editsAt(3)).toEqual([]);
    expect([run?.branch(0).ended, silent?.ended]).toEqual([null, { reason: "stop", generated: 1 }]);
  });
});

describe("one's own labels", () => {
  it("are written as the gateway reads them, by source and index", () => {
    nameFeature("gpt2-small/8-res-jb/170", "names of rivers");
    nameFeature("gpt2-small/8-res-jb/17", "“capitals”, as seats of government");
    expect(labelsFile()).toBe(LABELS_FILE);
  });
});
