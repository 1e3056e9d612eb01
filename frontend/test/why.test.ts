// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from "vitest";
import { Log } from "../src/state/log";
import { distinct, editsBefore, Why } from "../src/state/why";
import { WhyLine, WhyPanel } from "../src/ui/why";
import type { ExplainRequest } from "../src/wire/causes";
import type { Edit, Frame } from "../src/wire/types";
import { sayCoverage } from "../src/words/why";
import {
  AGAINST,
  button,
  CAPITAL,
  cause,
  FRANCE,
  LONDON,
  MADE,
  names,
  panel,
  PROMPT,
  row,
  RUN,
} from "./causes";
import { replayed, SOURCE, started } from "./frames";
import { openDocument } from "./page";
import { all, SILENT, texts } from "./twin";

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("the button", () => {
  it("is there for a token looked at, and asks about it with the branch's own tokens", () => {
    const { store, asked } = panel();
    const line = document.querySelector<HTMLElement>("#why-line");
    expect(line?.hidden).toBe(true);
    store.playhead.lookAt(0);
    expect(line?.hidden).toBe(true);
    store.playhead.lookAt(2);
    expect(line?.hidden).toBe(false);
    button("Why this word?").click();
    expect(asked.map(({ request }) => request)).toEqual([
      { token_ids: [100, 101, 9], position: 2, prompt_tokens: 2, progress: true },
    ]);
    expect(document.activeElement?.id).toBe("why");
  });

  it("is not there where the server does not explain, nor for another model's text", () => {
    for (const { store } of [
      panel(RUN, 0),
      panel([{ ...started(1), model: "other" } as Frame, PROMPT, MADE]),
    ]) {
      store.playhead.lookAt(2);
      expect(all("#why-line").map(({ hidden }) => hidden)[0]).toBe(true);
      openDocument();
    }
  });

  it("asks with the edits of the branch", () => {
    const edited: Frame = { type: "edited", seq: 4, branch: 0, position: 2, edits: [SILENT] };
    const { store, asked } = panel([...RUN.slice(0, 2), edited, { ...MADE, seq: 5 }]);
    store.playhead.lookAt(2);
    button("Why this word?").click();
    // They began at the token itself, which did not see them.
    expect(asked[0]?.request.edits).toBeUndefined();
  });
});

describe("editsBefore", () => {
  const later: Edit = { ...SILENT, scale: 2 };

  it("bounds each list of edits to where it was in force", () => {
    const log = new Log([], { name: "", seed: "1", edits: [SILENT] });
    expect(editsBefore(log, 9)).toEqual([SILENT]);
    log.edit(4, [later]);
    log.edit(6, []);
    expect(editsBefore(log, 4)).toEqual([SILENT]);
    expect(editsBefore(log, 9)).toEqual([
      { ...SILENT, first_position: 0, last_position: 3 },
      { ...later, first_position: 4, last_position: 5 },
    ]);
    expect(editsBefore(log, 5)).toEqual([
      { ...SILENT, first_position: 0, last_position: 3 },
      { ...later, first_position: 4 },
    ]);
  });

  it("keeps an edit's own bounds, and leaves it out where it was never in force", () => {
    const bounded = { ...SILENT, first_position: 2, last_position: 3 };
    const log = new Log([], { name: "", seed: "1", edits: [bounded] });
    log.edit(1, [bounded, { ...later, first_position: 5 }]);
    expect(editsBefore(log, 9)).toEqual([bounded, { ...later, first_position: 5 }]);
  });
});

describe("a run that tells its causes", () => {
  const causes = { rival: LONDON, active: 8, tried: 8, agreement: null };
  const told: Frame = {
    ...{ type: "effects", seq: 4, branch: 0, position: 2 },
    ...{ ...causes, effects: [FRANCE, CAPITAL, AGAINST] },
  };
  const frames = [...RUN.slice(0, 3), told];

  it("shows them without asking, also in a recording and without a server", () => {
    const store = replayed(...frames);
    store.set({ backend: { state: "off" } });
    const asked: ExplainRequest[] = [];
    const why = new Why(store, (request) => {
      asked.push(request);
      return Promise.resolve();
    });
    new WhyLine(store, why);
    new WhyPanel(store, why);
    store.playhead.lookAt(2);
    expect(texts("#why-line span")).toEqual(["France · capital of France"]);
    button("Why this word?").click();
    expect(names()).toEqual(["France", "capital of France", "feature 5"]);
    expect(texts("#why > .causes .figure")[0]).toBe("80% → 20%");
    expect(texts("#why [role=status]")[0]).toBe(
      "All 8 active features were tried, one at a time. Measured while the text was written.",
    );
    row("France").click();
    expect(asked).toEqual([]);
    expect(all("#why .question select").map((one) => (one as HTMLSelectElement).disabled)).toEqual([
      true,
    ]);
  });

  it("asks where there was no time for them", () => {
    const missed: Frame = { type: "effects", seq: 4, branch: 0, position: 2, missed: true };
    const { store, asked } = panel([...RUN.slice(0, 3), missed]);
    store.playhead.lookAt(2);
    button("Why this word?").click();
    expect(asked).toHaveLength(1);
    const offline = replayed(...RUN.slice(0, 3), missed);
    openDocument();
    new WhyLine(offline, new Why(offline, () => Promise.resolve()));
    offline.playhead.lookAt(2);
    expect(texts("#why-line")[0]).toContain("There was no time");
  });
});

it("a sum over one position alone is left out", () => {
  const effects = [
    cause(3, -1),
    cause(3, -1, SOURCE, null),
    cause(4, -1),
    cause(4, -2, SOURCE, null),
  ];
  expect(distinct(effects).map(({ feature: id, position }) => [id, position])).toEqual([
    [3, 1],
    [4, 1],
    [4, null],
  ]);
});

it("coverage says how the candidates were chosen, never more", () => {
  const some = { active: 312, tried: 64 };
  expect(sayCoverage({ ...some, agreement: null })).toBe(
    "Tried 64 of 312 active features, those with the largest gradient.",
  );
  expect(sayCoverage({ ...some, agreement: { pearson: -0.05, top_5: 0 } })).toContain("r = −.05");
  expect(sayCoverage({ active: 0, tried: 0, agreement: null })).toContain("No feature");
});
