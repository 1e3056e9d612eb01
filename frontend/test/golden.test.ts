import { describe, expect, it } from "vitest";
import { parseMessage } from "../src/wire/parse";
import type { Frame } from "../src/wire/types";
import { streamed } from "./frames";
import { FRAMES } from "./golden";

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
});
