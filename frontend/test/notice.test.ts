// @vitest-environment happy-dom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { signal } from "../src/state/signals";
import { Store } from "../src/state/store";
import { showNotices } from "../src/ui/notice";
import type { RoomFrame } from "../src/wire/types";
import { modelInfo, started } from "./frames";
import { openDocument } from "./page";

const ROOM: RoomFrame = { type: "room", seq: 0, room: "r", role: "presenter", viewers: 1, open: false }; // prettier-ignore

beforeEach(openDocument);

describe("a link to a run", () => {
  function open(room = ROOM) {
    const store = new Store();
    const run = vi.fn();
    const others = { retry: vi.fn(), "clear-filters": vi.fn(), "own-room": vi.fn() };
    showNotices(store, signal(null), signal(true), { ...others, "run-link": run });
    store.apply(room);
    const notice = document.getElementById("notice");
    return { store, run, notice, button: notice?.querySelector("button") };
  }

  const ready = { state: "ready", model: modelInfo() } as const;

  it("is offered to be run, once it can be, until something runs", () => {
    const { store, run, notice, button } = open();
    expect(notice?.hidden).toBe(true);
    store.set({ backend: ready, connection: { state: "open" } });
    expect(notice?.textContent).toContain("Nothing has run yet.");
    expect(button?.textContent).toBe("Run this");
    button?.click();
    expect(run).toHaveBeenCalledOnce();
    store.apply(started(1));
    expect(notice?.hidden).toBe(true);
  });

  it("is not offered to those who may only watch", () => {
    const { store, notice } = open({ ...ROOM, role: "viewer", presenting: true });
    store.set({ backend: ready, connection: { state: "open" } });
    expect(notice?.hidden).toBe(true);
  });
});
