import { describe, expect, it } from "vitest";
import { readEdits, readRun, runQuery, withoutRun, withView } from "../src/state/address";
import { readView, type View, WHOLE } from "../src/state/view";
import type { Edit } from "../src/wire/types";

const VIEW: View = {
  ...WHOLE,
  filters: [
    { kind: "hide", pattern: "punctuation & more" },
    { kind: "keep", pattern: "/country|capital/" },
    { kind: "min", share: 0.2 },
    { kind: "density", low: 0, high: 0.01 },
  ],
  sources: ["gpt2-small/6-res-jb", "gpt2-small/8-res-jb"],
  feature: "gpt2-small/8-res-jb/4821",
  links: 0.25,
  flat: true,
  matrix: { order: "strength", source: "gpt2-small/8-res-jb" },
};
const EDITS: Edit[] = [{ source: "axon-demo/2-res", feature: 7, scale: 0, where: "while_firing" }];

function query(text: string): URLSearchParams {
  return new URLSearchParams(text);
}

describe("a view's address", () => {
  it("is read back as it was, and is short and readable", () => {
    const text = withView(query(""), VIEW, EDITS);
    expect([readView(query(text)), readEdits(query(text))]).toEqual([VIEW, EDITS]);
    expect(text).toBe(
      "?hide=punctuation+%26+more&keep=/country|capital/&min=20%25&density=%3C1%25" +
        "&sources=gpt2-small/6-res-jb,gpt2-small/8-res-jb&feature=gpt2-small/8-res-jb/4821&links=0.25" +
        "&view=flat&matrix=strength,gpt2-small/8-res-jb&edit=axon-demo/2-res/7+silence",
    );
  });

  it("is empty for the default view, and keeps other parts of the query", () => {
    expect(withView(query(""), WHOLE, [])).toBe("");
    expect(withView(query("?replay=x&hide=y&edit=z"), WHOLE, [])).toBe("?replay=x");
  });

  it("names the order of an open matrix, and a source only where one is chosen", () => {
    const open: View = { ...WHOLE, matrix: { order: "layer", source: null } };
    expect(withView(query(""), open, [])).toBe("?matrix=layer");
    expect(readView(query("?matrix=layer"))).toEqual(open);
  });

  it("leaves out what cannot be read", () => {
    expect(
      readView(
        query("?hide=/(/&min=x&density=2%25-1%25&links=7&matrix=rows&compare=0.1,2&keep=water"),
      ),
    ).toEqual({
      ...WHOLE,
      filters: [{ kind: "keep", pattern: "water" }],
    });
  });
});

describe("a run's link", () => {
  const run = {
    prompt: "The capital\nof “France” is",
    chat: true,
    model: "axon-demo",
    knobs: { temperature: "0.8", seed: "18446744073709551615", max_tokens: "60" },
  };

  it("is read back as it was, with all 64 bits of the seed", () => {
    const text = runQuery(run, VIEW, EDITS);
    expect(readRun(query(text))).toEqual(run);
    expect([readView(query(text)), readEdits(query(text))]).toEqual([VIEW, EDITS]);
  });

  it("describes no run without a prompt, and takes only numbers for knobs", () => {
    expect(readRun(query("?temperature=1"))).toBeNull();
    expect(readRun(query("?prompt=x&temperature=hot&top_k=3"))?.knobs).toEqual({ top_k: "3" });
  });

  it("is taken out of the address once it is filled in", () => {
    expect(withoutRun(query("?prompt=x&seed=3&hide=y")).toString()).toBe("hide=y");
    expect(withoutRun(query("?seed=3")).toString()).toBe("seed=3");
  });
});
