// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MatrixPanel } from "../src/matrix/panel";
import { activationAt, Table } from "../src/matrix/table";
import { featureKey } from "../src/state/feature";
import type { Store } from "../src/state/store";
import type { Order } from "../src/state/view";
import { feature, SOURCE, started, streamed, token } from "./frames";
import { openDocument, press } from "./page";

const LOWER = "axon-demo/1-res";

/** 7 fires first and weakly, 8 last and of the lower layer, 9 at its full strength. */
function room(): Store {
  return streamed(
    started(1, [LOWER, SOURCE]),
    token(2, 0, " Paris", [feature(7, 2, { max: 20, label: "capitals" })]),
    token(3, 1, " is", [
      feature(9, 4, { max: 4, label: "verbs" }),
      feature(7, 3, { max: 20, label: "capitals" }),
    ]),
    token(4, 2, ".", [feature(8, 5, { max: 10, source: LOWER, layer: 1 })]),
  );
}

describe("the rows of the matrix", () => {
  const ids = (table: Table, order: Order, passes = (): boolean => true): number[] =>
    table.select(order, [LOWER, SOURCE], passes).map((row) => row.feature.id);

  it("stand by first firing, by share of full strength, or by layer", () => {
    const table = new Table();
    table.follow(room().session);
    expect(ids(table, "first")).toEqual([7, 9, 8]);
    expect(ids(table, "strength")).toEqual([9, 8, 7]);
    expect(ids(table, "layer")).toEqual([8, 7, 9]);
    expect(table.select("first", [], ({ id }) => id !== 9)).toHaveLength(2);
  });

  it("know the activation of each cell, also of tokens that come later", () => {
    const table = new Table();
    const store = room();
    table.follow(store.session);
    store.apply(token(5, 3, " It", [feature(7, 1.5)]));
    table.follow(store.session);
    const [row] = table.select("first", [], () => true);
    expect(row && [0, 1, 2, 3].map((at) => activationAt(row, at))).toEqual([2, 3, 0, 1.5]);
    expect(row?.most).toBe(3);
  });

  it("are those of the new text when another run begins", () => {
    const table = new Table();
    const store = room();
    table.follow(store.session);
    store.apply(started(5));
    store.apply(token(6, 0, " One", [feature(9, 1)]));
    table.follow(store.session);
    expect(ids(table, "first")).toEqual([9]);
  });
});

describe("the matrix", () => {
  const compare = vi.fn();
  let resized: (() => void)[] = [];

  /** In a window with room for 12 rows and 20 columns. */
  function open(store = room()): { store: Store; grid: HTMLElement } {
    vi.stubGlobal(
      "ResizeObserver",
      class {
        constructor(private readonly told: () => void) {
          resized.push(told);
        }
        observe(): void {
          this.told();
        }
      },
    );
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(616);
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(384);
    new MatrixPanel(store, compare);
    document.getElementById("matrix-open")?.click();
    const grid = document.querySelector<HTMLElement>("#matrix [role=grid]");
    if (!grid) throw new Error("there is no grid");
    return { store, grid };
  }

  const texts = (role: string): (string | null)[] =>
    [...document.querySelectorAll(`#matrix [role=${role}]`)].map(({ textContent }) => textContent);
  const cell = (): string | null | undefined =>
    document.getElementById("matrix-cell")?.getAttribute("aria-label");
  const change = (select: number, value: string): void => {
    const element = document.querySelectorAll<HTMLSelectElement>("#matrix select")[select];
    if (!element) throw new Error("there is no such choice");
    element.value = value;
    element.dispatchEvent(new Event("change"));
  };

  beforeEach(() => {
    openDocument();
    resized = [];
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it("names tokens and features, is part of the view, and goes again", () => {
    const { store, grid } = open();
    expect(texts("rowheader")).toEqual(["capitals", "verbs", "≈ at “.”"]);
    expect(texts("columnheader")).toEqual(["Paris", "is", "."]);
    expect(grid.getAttribute("aria-rowcount")).toBe("4");
    expect(store.view.matrix).toEqual({ order: "first", source: null });
    press("Escape", grid);
    expect(store.view.matrix).toBeNull();
    expect(document.getElementById("matrix")?.hidden).toBe(true);
  });

  it("offers to compare two texts", () => {
    open();
    const [button] = document.querySelectorAll<HTMLElement>("#matrix header button");
    button?.click();
    expect(compare).toHaveBeenCalledOnce();
  });

  it("takes its order and its source, and the page's filters", () => {
    const { store } = open();
    change(0, "strength");
    expect(texts("rowheader")).toEqual(["verbs", "≈ at “.”", "capitals"]);
    change(1, SOURCE);
    expect(texts("rowheader")).toEqual(["verbs", "capitals"]);
    store.look({ filters: [{ kind: "hide", pattern: "verbs" }] });
    expect(texts("rowheader")).toEqual(["capitals"]);
    store.look({ filters: [{ kind: "hide", pattern: "/./" }] });
    expect(texts("rowheader")).toEqual([]);
    expect(document.querySelector("#matrix")?.textContent).toContain("has fired yet");
  });

  it("is gone through by keys, each cell said in words; Enter chooses token and feature", () => {
    const { store, grid } = open();
    press("Home", grid);
    expect(cell()).toBe(
      "capitals (axon-demo/2-res #7) at “Paris”: activation 2.00, 10% of its full strength",
    );
    press("ArrowDown", grid);
    expect(cell()).toBe("verbs (axon-demo/2-res #9) at “Paris”: silent");
    press("ArrowRight", grid);
    press("ArrowUp", grid);
    expect(cell()).toContain("activation 3.00");
    press("ArrowUp", grid);
    expect(grid.getAttribute("aria-activedescendant")).toBe("matrix-cell");
    press("Enter", grid);
    expect(store.wanted).toBe(featureKey(SOURCE, 7));
    expect(store.token).toBe(1);
    press("End", grid);
    expect(cell()).toBe("capitals (axon-demo/2-res #7) at “.”: silent");
  });

  it("has elements only for what is in its window", () => {
    const frames = Array.from({ length: 300 }, (_, step) =>
      token(step + 2, step, ` t${step}`, [feature(step, 1, { label: `f${step}` })]),
    );
    const { grid } = open(streamed(started(1), ...frames));
    expect(texts("rowheader")).toHaveLength(12);
    expect(texts("columnheader").length).toBeLessThan(22);
    press("PageDown", grid);
    press("PageDown", grid);
    expect(texts("rowheader")).toHaveLength(12);
    expect(cell()).toContain("f22");
    expect(texts("rowheader")).toContain("f22");
    expect(texts("rowheader")).not.toContain("f0");
  });

  it("follows the newest token while that is in the window", () => {
    const { store } = open();
    const frames = Array.from({ length: 100 }, (_, i) =>
      token(i + 5, i + 3, ` t${i}`, [feature(7, 1)]),
    );
    for (const frame of frames) store.apply(frame);
    expect(texts("columnheader").at(-1)).toBe("t99");
    const cells = document.querySelector<HTMLElement>("#matrix .cells");
    if (cells) cells.scrollLeft = 0;
    store.apply(token(200, 103, " last", [feature(7, 1)]));
    expect(texts("columnheader")[0]).toBe("Paris");
  });

  it("keeps what is chosen in its window when that gets smaller", () => {
    const frames = Array.from({ length: 40 }, (_, step) =>
      token(step + 2, step, ` t${step}`, [feature(step, 1, { label: `f${step}` })]),
    );
    const { store } = open(streamed(started(1), ...frames));
    store.choose(featureKey(SOURCE, 20));
    expect(texts("rowheader").at(-1)).toBe("f20");
    vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(264);
    resized.forEach((told) => told());
    expect(texts("rowheader")).toHaveLength(7);
    expect(texts("rowheader").at(-1)).toBe("f20");
  });
});
