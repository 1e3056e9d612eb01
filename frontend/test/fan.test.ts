// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Store } from "../src/state/store";
import { TextView } from "../src/ui/text";
import type { Frame } from "../src/wire/types";
import { SOURCE, started, token } from "./frames";
import { openDocument } from "./page";
import { DOSES, TWIN } from "./twin";

const likely = (token: string, id: number, share: number) => ({
  token,
  token_id: id,
  logprob: Math.log(share),
});

/** A room whose model has written three words; each tells what was likely to come after it. */
function room(pace: number): Store {
  const store = new Store();
  store.playhead.setPace(pace);
  const said = (seq: number, text: string, id: number, next: [string, number, number][]): Frame => ({
    ...token(seq, seq - 2, text, []),
    token_id: id,
    alternatives: next.map((one) => likely(...one)),
  }) as Frame; // prettier-ignore
  store.apply(started(1));
  const prompt = {
    token: "is",
    position: 1,
    features: [],
    alternatives: [likely(" Paris", 7, 0.9), likely(" Rome", 8, 0.05)],
  };
  store.apply({ type: "prompt", seq: 2, tokens: [prompt] });
  store.apply(said(3, " Paris", 7, [["," , 1, 0.6], [".", 2, 0.4]])); // prettier-ignore
  store.apply(said(4, ".", 2, []));
  return store;
}

const lists = () => [...document.querySelectorAll<HTMLElement>(".fan")];
const list = () => lists()[0];
const shown = (branch = 0) =>
  [...(lists()[branch]?.children ?? [])].map((item) => [item.textContent, item.className]);

beforeEach(() => {
  vi.useFakeTimers();
  openDocument();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the fan of candidates", () => {
  it("shows what is likely to come, lets one fall, and fans out what comes after it", () => {
    const store = room(2);
    new TextView(store);
    expect(shown()).toEqual([["Paris 90%", ""], ["Rome 5%", ""]]); // prettier-ignore
    vi.advanceTimersByTime(500);
    expect(shown()).toEqual([["Paris 90%", "came"], ["Rome 5%", "gone"]]); // prettier-ignore
    vi.advanceTimersByTime(250);
    expect(shown()).toEqual([[", 60%", ""], [". 40%", ""]]); // prettier-ignore
    vi.advanceTimersByTime(1000);
    expect(list()?.hidden).toBe(true);
  });

  it("stays while somebody goes step by step, and is away where tokens come too fast to be seen", () => {
    const steps = room(0);
    new TextView(steps);
    vi.advanceTimersByTime(5000);
    expect(shown()).toHaveLength(2);
    steps.playhead.setPace(Infinity);
    expect(list()?.hidden).toBe(true);
  });

  it("is told for each text of a twin, and for none of more texts", () => {
    const twin = (...branches: typeof TWIN): Store => {
      const store = new Store();
      store.playhead.setPace(2);
      store.apply(started(1, [SOURCE], branches));
      branches.forEach((_, branch) => {
        const next = [likely(branch === 0 ? " Paris" : " Rome", 7 + branch, 0.9)];
        const prompt = { token: "is", position: 1, features: [], alternatives: next };
        store.apply({ type: "prompt", seq: 2 + branch, branch, tokens: [prompt] });
      });
      branches.forEach((_, branch) => {
        const made = { token_id: 7 + branch, alternatives: [likely(".", 2, 0.4)], branch };
        store.apply({ ...token(9 + branch, 0, "a", []), ...made } as Frame);
      });
      return store;
    };
    new TextView(twin(...TWIN));
    expect([shown(0), shown(1)]).toEqual([[["Paris 90%", ""]], [["Rome 90%", ""]]]);
    vi.advanceTimersByTime(500);
    expect([shown(0), shown(1)]).toEqual([[["Paris 90%", "came"]], [["Rome 90%", "came"]]]);
    vi.advanceTimersByTime(250);
    expect([shown(0), shown(1)]).toEqual([[[". 40%", ""]], [[". 40%", ""]]]);
    openDocument();
    new TextView(twin(...DOSES));
    expect(lists().map(({ hidden }) => hidden)).toEqual([true, true, true, true]);
  });

  it("is away while somebody looks back at a token", () => {
    const store = room(2);
    new TextView(store);
    store.playhead.pause();
    expect(list()?.hidden).toBe(true);
  });
});
