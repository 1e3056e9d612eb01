// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { featureKey } from "../src/state/feature";
import {
  AGAINST,
  ANSWER,
  BELOW,
  button,
  CAPITAL,
  cause,
  EXPLAINED,
  EXPLAINING,
  FRANCE,
  names,
  opened,
  panel,
  PATH,
  row,
  RUN,
} from "./causes";
import { feature, finished, SOURCE, started, token } from "./frames";
import { openDocument, press } from "./page";
import { all, texts } from "./twin";

beforeEach(() => {
  localStorage.clear();
  openDocument();
});

describe("the panel", () => {
  it("says what was asked, and lists the causes with what was measured", () => {
    opened();
    expect(texts("#why .question b")).toEqual(["“Paris”"]);
    const [rival] = all("#why select");
    expect((rival as HTMLSelectElement).selectedOptions[0]?.textContent).toBe("␣London (10%)");
    expect(names()).toEqual(["France", "capital of France", "feature 5"]);
    expect(texts("#why > .causes .figure")).toEqual(["80% → 20%", "80% → 40%", "80% → 88%"]);
    expect(texts("#why > .causes .where")).toEqual([
      "at “France” · 1-res",
      "at “France” · 2-res",
      "at “France” · 2-res",
    ]);
    const widths = all("#why > .causes .bar i").map(({ style }) => style.width);
    expect(widths).toEqual(["100%", "50%", "7%"]);
    expect(all("#why .cause").map((one) => one.classList.contains("against"))).toEqual([
      false,
      false,
      true,
    ]);
    expect(row("feature 5").getAttribute("aria-description")).toContain(
      "speaks against it: 80% → 88%",
    );
    expect(row("France").getAttribute("aria-description")).toContain("log-probability −1.39");
    expect(texts("#why [role=status]")[0]).toBe(
      "Tried 3 of 312 active features, those with the largest gradient. Gradient and removal agree r = .41, and on 3 of the 5 strongest.",
    );
    expect(all("#why .weak")[0]?.hidden).toBe(true);
  });

  it("says where a cause fires all over the text", () => {
    const { store, why, asked } = panel([
      ...RUN.slice(0, 3),
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((step) => token(3 + step, step, " x", [feature(step < 4 ? 7 : 11, 1)])), // prettier-ignore
      finished(14),
    ]);
    store.playhead.lookAt(2);
    button("Why this word?").click();
    for (const event of ANSWER) asked[0]?.tell(event);
    expect(why.answer).not.toBeNull();
    expect(texts("#why > .causes .where")).toEqual([
      "at “France” · 1-res",
      "at “France” · 2-res · fires at 4 of 9 tokens",
      "at “France” · 2-res",
    ]);
  });

  it("fills in as results come, the strongest first", () => {
    const { first } = opened([EXPLAINING]);
    expect(texts("#why [role=status]")[0]).toContain("Silencing");
    first.tell({ type: "effects", effects: [AGAINST, CAPITAL] });
    expect(names()).toEqual(["capital of France", "feature 5"]);
    row("feature 5").focus();
    first.tell({ type: "effects", effects: [FRANCE] });
    expect(names()).toEqual(["France", "capital of France", "feature 5"]);
    // The focus stays where it was, on the same cause.
    expect(document.activeElement).toBe(row("feature 5"));
  });

  it("orders by what speaks for the word rather than the other", () => {
    opened([
      EXPLAINING,
      { type: "effect", ...FRANCE, logit: -0.5 },
      { type: "effect", ...CAPITAL, logit: -2 },
      EXPLAINED,
    ]);
    expect(names()).toEqual(["France", "capital of France"]);
    const order = document.querySelector<HTMLSelectElement>("#why [aria-label=Order]");
    if (order) order.value = "logit";
    order?.dispatchEvent(new Event("change"));
    expect(names()).toEqual(["capital of France", "France"]);
    const widths = all("#why > .causes .bar i").map(({ style }) => style.width);
    expect(widths).toEqual(["100%", "25%"]);
  });

  it("says so where nothing speaks for the word", () => {
    opened([EXPLAINING, { type: "effect", ...cause(3, -0.03) }, EXPLAINED]);
    expect(texts("#why .weak")).toEqual([
      "Nothing in this text speaks strongly for it: the strongest removal lowers its log-probability by 0.03.",
    ]);
    openDocument();
    opened([EXPLAINING, { type: "effect", ...AGAINST }, EXPLAINED]);
    expect(texts("#why .weak")).toEqual(["Nothing that was tried speaks for it."]);
  });

  it("leads from a cause to the features that lose activation, and on", async () => {
    const { store, asked } = opened();
    row("France").click();
    expect(store.wanted).toBe(featureKey(BELOW, 3));
    expect(store.labelOf(featureKey(BELOW, 3))).toBe("France");
    expect(texts(".chip.caused")).toEqual(["France"]);
    expect(asked[1]?.request).toEqual({
      token_ids: [100, 101, 9],
      position: 2,
      prompt_tokens: 2,
      limit: 1,
      path: { source: BELOW, feature: 3, position: 1 },
    });
    for (const event of [EXPLAINING, PATH, EXPLAINED]) asked[1]?.tell(event);
    asked[1]?.end();
    await vi.waitFor(() => {
      expect(texts("#why .step .causes .name")).toEqual(["capital of France", "feature 8"]);
    });
    expect(texts("#why .step .note")[0]).toBe("Without it, these lose activation in 2-res:");
    // What was measured on the word, and what was not.
    expect(texts("#why .step .causes .figure")).toEqual(["80% → 40%", "not tried"]);
    expect(texts("#why .step .causes .where")[0]).toBe("at “France” · 2-res · 3.00 → 1.00");
    all("#why .step .cause")[0]?.click();
    expect(store.chosen?.key).toBe(featureKey(SOURCE, 7));
    expect(asked[2]?.request.path).toEqual({ source: SOURCE, feature: 7, position: 1 });
    for (const event of [EXPLAINING, EXPLAINED]) asked[2]?.tell(event);
    asked[2]?.end();
    await vi.waitFor(() => {
      expect(texts("#why .step .step .note")[0]).toBe(
        "No source lies above this one: it acts on the word directly.",
      );
    });
    // Pressed again, it folds; asked once, it is not asked again.
    row("France").click();
    row("France").click();
    expect(asked).toHaveLength(3);
  });

  it("silences a cause for the next run", () => {
    const { store } = opened();
    row("France").click();
    button("Silence it and see").click();
    expect(store.reach.edits).toEqual([
      { source: BELOW, feature: 3, scale: 0, where: "while_firing" },
    ]);
    expect(button("Silence it and see").getAttribute("aria-pressed")).toBe("true");
  });

  it("asks again for another rival, or with more removals", () => {
    const { asked, first } = opened();
    expect(button("Try 256").hidden).toBe(false);
    button("Try 256").click();
    expect(first.signal.aborted).toBe(true);
    expect(asked[1]?.request.limit).toBe(256);
    const select = document.querySelector<HTMLSelectElement>("#why select");
    if (select) select.value = "8";
    select?.dispatchEvent(new Event("change"));
    expect(asked[2]?.request.rival).toEqual({ token_id: 8 });
  });

  it("ends what it asked when it is closed, and takes nothing more", () => {
    const { first, why } = opened([EXPLAINING]);
    press("Escape", document.body);
    expect(first.signal.aborted).toBe(true);
    first.tell({ type: "effects", effects: [FRANCE] });
    expect(why.answer).toBeNull();
    expect(all("#why")[0]?.hidden).toBe(true);
  });

  it("closes when its text is gone", () => {
    const { store, why } = opened();
    store.apply(started(5));
    expect(why.answer).toBeNull();
  });

  it("moves from cause to cause with the arrows", () => {
    opened();
    row("France").focus();
    press("ArrowDown", row("France"));
    expect(document.activeElement).toBe(row("capital of France"));
    press("ArrowUp", row("capital of France"));
    expect(document.activeElement).toBe(row("France"));
  });

  it("says why there is no answer", () => {
    const refusal = { type: "error", error: "queue_full", message: "", field: null } as const;
    opened([refusal]);
    expect(texts("#why [role=alert]")[0]).toContain("Too many people");
  });
});
