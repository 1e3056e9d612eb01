// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Store } from "../src/state/store";
import { TextView } from "../src/ui/text";
import { started, token } from "./frames";
import { openDocument } from "./page";

/** Observers that report when told to: there is no layout here. */
const observers: (() => void)[] = [];
vi.stubGlobal(
  "ResizeObserver",
  class {
    constructor(report: () => void) {
      observers.push(report);
    }
    observe = () => undefined;
    unobserve = () => undefined;
    disconnect = () => undefined;
  },
);

function page() {
  const store = new Store();
  new TextView(store);
  store.apply(started(1));
  store.apply(token(2, 0, "a", []));
  const list = document.getElementById("tokens");
  if (!list) throw new Error("no text");
  Object.defineProperties(list, {
    scrollHeight: { value: 1000, configurable: true },
    clientHeight: { value: 100, configurable: true },
  });
  list.scrollTop = 900;
  list.dispatchEvent(new Event("scroll"));
  const on = (type: string, more: object = {}): void => {
    list.dispatchEvent(Object.assign(new Event(type, { bubbles: true }), more));
  };
  const scrollTo = (top: number): void => {
    list.scrollTop = top;
    on("scroll");
  };
  const follows = (): boolean => {
    list.scrollTop = 0;
    for (const report of observers) report();
    return list.scrollTop === 1000;
  };
  return { store, on, scrollTo, follows };
}

beforeEach(() => {
  observers.length = 0;
  openDocument();
});

describe("the text", () => {
  it("follows the newest token after a click, though the layout has moved it since", () => {
    const { on, scrollTo, follows } = page();
    on("pointerdown");
    on("pointerup");
    scrollTo(600);
    expect(follows()).toBe(true);
  });

  it("follows after a key that chooses, and after the wheel at its end", () => {
    const { on, scrollTo, follows } = page();
    on("keydown");
    on("keyup");
    on("wheel", { deltaY: 100 });
    scrollTo(600);
    expect(follows()).toBe(true);
  });

  it("stops where somebody scrolls up, and goes on at its end", () => {
    const { on, scrollTo, follows } = page();
    on("wheel", { deltaY: -100 });
    scrollTo(500);
    on("scrollend");
    expect(follows()).toBe(false);
    scrollTo(900);
    expect(follows()).toBe(true);
  });

  it("says what will stand there before there is any", () => {
    const store = new Store();
    new TextView(store);
    const words = () => document.getElementById("no-text")?.textContent;
    expect([words(), document.body.classList.contains("blank")]).toEqual([
      "The text will stand here, word by word.",
      true,
    ]);
    store.apply(started(1));
    store.apply(token(2, 0, "a", []));
    expect([words(), document.body.classList.contains("blank")]).toEqual(["", false]);
  });
});
