// @vitest-environment happy-dom
/** Parts of the page that stand in its document. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Store } from "../src/state/store";
import { Controls } from "../src/ui/controls";
import { short } from "../src/ui/dom";
import { showPinned } from "../src/ui/features";
import { Finding } from "../src/ui/finding";
import { SourcesView } from "../src/ui/model";
import { Share } from "../src/ui/room";
import { TextView } from "../src/ui/text";
import { Tip } from "../src/ui/tip";
import type { ModelInfo } from "../src/wire/model";
import type { Frame } from "../src/wire/types";
import { feature, finished, modelInfo, SOURCE, started, token } from "./frames";
import { openDocument, press } from "./page";

const ROOM: Frame = {
  type: "room",
  seq: 0,
  room: "r",
  role: "presenter",
  viewers: 1,
  open: false,
};

function open(...frames: Frame[]): Store {
  const store = new Store();
  store.set({ connection: { state: "open" } });
  for (const frame of frames) store.apply(frame);
  return store;
}

function model(...models: string[]): ModelInfo {
  const temperature = {
    type: "number" as const,
    min: "0",
    max: "2",
    default: "0.8",
    integer: false,
  };
  return modelInfo({
    models: models.map((name) => ({ model: name, ready: true })),
    params: { temperature },
  });
}

function element(selector: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`there is no ${selector}`);
  return found;
}

beforeEach(() => {
  localStorage.clear();
  openDocument();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("the controls", () => {
  function controls(store: Store): Controls {
    return new Controls(store, new SourcesView(store), {
      generate: () => undefined,
      stop: () => undefined,
    });
  }

  it("show every token, but a screen reader is told only when the state changes", () => {
    const store = open(ROOM);
    controls(store);
    store.set({ backend: { state: "ready", model: model() } });
    const said: string[] = [];
    const read = (): void => {
      const live = [...document.querySelectorAll("#status, #status *")].filter(
        ({ role, ariaLive }) => role === "status" || ariaLive === "polite",
      );
      const text = live.map(({ textContent }) => textContent).join();
      if (said.at(-1) !== text) said.push(text);
    };
    read();
    store.apply(started(1));
    read();
    for (let step = 0; step < 5; step += 1) {
      store.apply(token(2 + step, step, "a", []));
      expect(element("#status").textContent.trim()).toBe(
        `Generating: token ${step + 1} of 8 at most`,
      );
      read();
    }
    store.apply(finished(7));
    read();
    expect(said).toEqual(["Ready.", "Generating", expect.stringContaining("Finished")]);
  });

  it("leave a setting empty that was just emptied, whatever is learned of the models", () => {
    const store = open(ROOM);
    controls(store);
    store.set({ backend: { state: "ready", model: model("m") } });
    const field = element("#knob-temperature") as HTMLInputElement;
    expect(field.value).toBe("0.8");
    field.value = "";
    store.set({ backend: { state: "ready", model: model("m", "other") } });
    expect(field.value).toBe("");
  });
});

describe("the prompt's field", () => {
  function field(store: Store): HTMLTextAreaElement {
    new Controls(store, new SourcesView(store), {
      generate: () => undefined,
      stop: () => undefined,
    });
    return element("#prompt") as HTMLTextAreaElement;
  }

  it("shows the prompt of the room's run, whoever began it", () => {
    const store = open({ ...ROOM, role: "viewer" });
    const prompt = field(store);
    store.apply(started(1));
    expect(prompt.value).toBe("The capital");
  });

  it("is asked as a conversation where the model has a template and somebody wants it", () => {
    const store = open(ROOM);
    const sent: unknown[] = [];
    const controls = new Controls(store, new SourcesView(store), {
      generate: ({ prompt, messages }) => sent.push(prompt ?? messages),
      stop: () => undefined,
    });
    const choice = element("#chat-choice");
    const knows = (chat: boolean): void =>
      store.set({ backend: { state: "ready", model: modelInfo({ chat }) } });
    knows(false);
    expect(choice.hidden).toBe(true);
    controls.fill({ prompt: "Hi", chat: true, model: null, knobs: {} });
    controls.submit();
    knows(true);
    expect(choice.hidden).toBe(false);
    controls.submit();
    expect(sent).toEqual(["Hi", [{ role: "user", content: "Hi" }]]);
  });

  it("keeps what somebody has written there", () => {
    const store = open(ROOM);
    const prompt = field(store);
    prompt.value = "My own";
    store.apply(started(1));
    expect(prompt.value).toBe("My own");
  });
});

/** What a browser does: whoever is observed is told of after the next layout. */
class Layout implements ResizeObserver {
  constructor(private readonly laidOut: ResizeObserverCallback) {}
  observe = (): void => void setTimeout(() => this.laidOut([], this));
  unobserve = (): void => undefined;
  disconnect = (): void => undefined;
}

describe("the text", () => {
  it("is shaded in view and near it, and farther on once that is scrolled to", () => {
    const list = element("#tokens");
    let top = 0;
    // A token is a line of 10 pixels; 30 are in view.
    const lines = (first: number, count: number) =>
      new DOMRect(0, 10 * first - top, 100, 10 * count);
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (
      this: HTMLElement,
    ) {
      if (this === list) return new DOMRect(0, 0, 100, 30);
      const chips = this.classList.contains("block") ? [...this.children] : [this];
      return lines(Number((chips[0] as HTMLElement).dataset.index), chips.length);
    });
    const texts = Array.from({ length: 40 }, (_, i) => (i % 8 === 7 ? "a\n" : "a"));
    const tokens = texts.map((text, i) => token(i + 2, i, text, [feature(i % 2, 5)]));
    const store = open(ROOM, started(1), ...tokens);
    new TextView(store);
    const shaded = () =>
      [...list.querySelectorAll<HTMLElement>(".fired")].map(({ dataset }) => Number(dataset.index));
    const scroll = (to: number): void => {
      top = to;
      list.dispatchEvent(new Event("scroll"));
    };
    scroll(0);
    store.hover(`${SOURCE}/0`);
    expect(shaded()).toEqual([0, 2, 4, 6]);
    scroll(100);
    expect(shaded()).toEqual([8, 10, 12, 14, 16]);
    store.hover(`${SOURCE}/1`);
    expect(shaded()).toEqual([7, 9, 11, 13, 15]);
    // At the end, what comes is shaded at once.
    scroll(370);
    store.apply(token(42, 40, "a", [feature(1, 5)]));
    expect(shaded()).toEqual([35, 37, 39, 40]);
    store.hover(null);
    expect(shaded()).toEqual([]);
  });

  it("is followed to its end after a click that scrolled nothing, until one scrolls up", async () => {
    const list = element("#tokens");
    const metrics = { scrollHeight: 400, clientHeight: 100, top: 300 };
    const frame = () => new Promise((resolve) => setTimeout(resolve, 40));
    const scrollTo = (top: number): void => {
      metrics.top = Math.max(0, Math.min(top, metrics.scrollHeight - metrics.clientHeight));
      list.dispatchEvent(new Event("scroll"));
    };
    Object.defineProperties(list, {
      scrollHeight: { get: () => metrics.scrollHeight },
      clientHeight: { get: () => metrics.clientHeight },
      scrollTop: { get: () => metrics.top, set: scrollTo },
    });
    vi.stubGlobal("ResizeObserver", Layout);
    const store = open(ROOM, started(1));
    new TextView(store);
    store.apply(token(2, 0, "a\n", []));
    await frame();
    list.dispatchEvent(new Event("pointerdown"));
    // New lines come: the list scrolls by itself, and is not at its end until the next frame.
    metrics.scrollHeight = 600;
    list.dispatchEvent(new Event("scroll"));
    store.apply(token(3, 1, "b\n", []));
    await frame();
    expect(metrics.top).toBe(500);
    list.dispatchEvent(new Event("wheel"));
    scrollTo(200);
    store.apply(token(4, 2, "c", []));
    await frame();
    expect(metrics.top).toBe(200);
  });
});

describe("a filter", () => {
  it("that hides nothing says so", () => {
    const store = open(ROOM, started(1), token(2, 0, "a", [feature(7, 5, { label: "capitals" })]));
    new Finding(store, () => Promise.resolve([]));
    const find = element("#find") as HTMLInputElement;
    const enter = (text: string): void => {
      find.value = text;
      find.dispatchEvent(new Event("input"));
      press("Enter", find);
    };
    enter("hide: capitals");
    expect(element("#find-problem").hidden).toBe(true);
    enter("hide: punctuation");
    expect(store.filters).toHaveLength(2);
    expect(element("#find-problem").textContent).toContain("hides nothing so far");
    expect(find.hasAttribute("aria-invalid")).toBe(false);
  });
});

describe("the tip", () => {
  it("stays while something else scrolls, and goes with what it explains", () => {
    new Tip();
    const anchor = element("#status");
    anchor.dataset.tip = "help";
    anchor.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, pointerType: "mouse" }));
    const tip = element("#tip");
    expect(tip.hidden).toBe(false);
    element("#tokens").dispatchEvent(new Event("scroll"));
    expect(tip.hidden).toBe(false);
    element("#side").dispatchEvent(new Event("scroll"));
    expect(tip.hidden).toBe(true);
  });
});

describe("the QR code", () => {
  it("is drawn at the next opening if its script could not be fetched", async () => {
    const store = open(ROOM);
    let reachable = false;
    vi.doMock("../src/ui/qr", () => {
      if (!reachable) throw new Error("not reachable");
      return { drawCode: () => "data:," };
    });
    new Share(store, () => undefined);
    element("#share").click();
    await vi.waitFor(() => {
      expect(element("#share-link").textContent).toContain("/r/r");
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(document.querySelector("#qr img")).toBeNull();
    reachable = true;
    vi.resetModules();
    element("#share").click();
    await vi.waitFor(() => {
      expect(document.querySelector("#qr img")).not.toBeNull();
    });
    vi.doUnmock("../src/ui/qr");
  });
});

describe("pins", () => {
  it("work although the browser stores nothing", () => {
    const store = open(ROOM, started(1), token(2, 0, "a", [feature(7, 5)]));
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new Error("full");
    });
    showPinned(store);
    store.pin(`${SOURCE}/7`);
    expect(element("#pinned").hidden).toBe(false);
    press("Escape");
  });
});

describe("a figure", () => {
  it("has no sign when it is nothing", () => {
    expect([-0.001, -0.5, 0, 14.26, 1234.5].map(short)).toEqual([
      "0.00",
      "−0.50",
      "0.00",
      "14.3",
      "1235",
    ]);
  });
});
