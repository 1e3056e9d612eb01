// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Store } from "../src/state/store";
import { TextView } from "../src/ui/text";
import { started, token } from "./frames";
import { factsOf } from "../src/ui/tokens";
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

describe("a conversation", () => {
  const chips = () => [...document.querySelectorAll<HTMLElement>("#tokens .chip")];
  const said = (text: string, of: object) => ({ token: text, position: 0, features: [], ...of });

  it("shows who speaks at each turn, and what the template added", () => {
    const store = new Store();
    new TextView(store);
    store.apply(started(1));
    const template = { template: true };
    const [user, system] = [{ role: "user" }, { role: "narrator" }];
    const tokens = [
      said("<s>", template), said("Be", system), said(" brief", system), said("<user>", template),
      said("Hi", user), said("</user>", template),
    ]; // prettier-ignore
    store.apply({ type: "prompt", seq: 2, tokens });
    store.apply(token(3, 0, "Hello", []));
    store.apply(token(4, 1, " you", []));
    const turns = document.querySelectorAll<HTMLElement>("#tokens [data-speaker]");
    expect([...turns].map(({ dataset, textContent }) => [dataset.speaker, textContent])).toEqual([
      ["narrator", "Be brief<user>"],
      ["user", "Hi</user>"],
      ["assistant", "Hello you"],
    ]);
    const marked = chips().filter(({ classList }) => classList.contains("template"));
    expect(marked.map(({ textContent }) => textContent)).toEqual(["<user>", "</user>"]);
    const facts = store.session.tokens.map((one) => factsOf(one).map(({ value }) => value));
    expect(facts[4]).toContain("prompt (user)");
    expect(chips()[4]?.getAttribute("aria-description")).toBe("user");
  });

  it("is none in a log without roles", () => {
    const store = new Store();
    new TextView(store);
    store.apply(started(1));
    store.apply({ type: "prompt", seq: 2, tokens: [said("Hi", {})] });
    store.apply(token(3, 0, "Hello", []));
    expect(chips().map(({ className }) => className)).toEqual(["chip given", "chip made newest"]);
    expect(document.querySelector("#tokens [data-speaker]")).toBeNull();
  });
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
