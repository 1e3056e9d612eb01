/** The export menu: the room's recording, activations, a picture, a link. */
import { at, call } from "../net/server";
import { runQuery, type RunSettings, type View } from "../session/address";
import { activationLines } from "../session/export";
import { filterText } from "../session/filters";
import type { Run } from "../session/state";
import type { Store } from "../session/store";
import { KNOBS, type KnobName } from "../wire/model";
import type { RoomFrame } from "../wire/types";
import { copyText } from "./copy";
import { byId, h } from "./dom";

/** What the menu needs beside the store. */
export interface Takeable {
  /** The graph as a PNG; null if there is no graph. */
  picture(): Promise<Blob> | null;
  view(): View;
  access(): string | null;
}

export class ExportMenu {
  private readonly menu = byId("export-menu");
  private readonly recording = byId("export-recording", HTMLAnchorElement);
  private readonly all = byId("export-all", HTMLButtonElement);
  private readonly shown = byId("export-shown", HTMLButtonElement);
  private readonly picture = byId("export-picture", HTMLButtonElement);
  private readonly link = byId("export-link", HTMLButtonElement);

  constructor(
    private readonly store: Store,
    private readonly page: Takeable,
  ) {
    this.menu.addEventListener("beforetoggle", () => {
      this.prepare();
    });
    this.recording.addEventListener("click", (event) => {
      this.menu.hidePopover();
      const { room } = this.store;
      if (this.page.access() === null || room === null) return;
      // A link cannot show the access token.
      event.preventDefault();
      void call(recordingOf(room)).then(async (response) => {
        if (response.ok) save(await response.blob(), `axon-${room.room}.jsonl`);
      });
    });
    this.all.addEventListener("click", () => {
      this.saveActivations(false);
    });
    this.shown.addEventListener("click", () => {
      this.saveActivations(true);
    });
    this.picture.addEventListener("click", () => {
      this.menu.hidePopover();
      void page.picture()?.then((png) => {
        save(png, `${this.name()}.png`);
      });
    });
    this.link.addEventListener("click", () => {
      const { run } = store.session;
      if (run) void copyText(linkTo(run, page.view()), this.link);
    });
  }

  /** Offers what can be exported now. */
  private prepare(): void {
    const { session, room, origin, filters, hidden } = this.store;
    const live = origin === "live" && room !== null;
    this.recording.hidden = !live;
    this.recording.href = at(recordingOf(room)).href;
    this.shown.hidden = filters.length === 0 && hidden.size === 0;
    this.all.disabled = this.shown.disabled = session.tokens.length === 0;
    this.picture.hidden = document.body.matches(".no-graph");
    this.link.disabled = session.run === null;
  }

  private saveActivations(filtered: boolean): void {
    const { store } = this;
    this.menu.hidePopover();
    const passes = filtered ? store.passes.bind(store) : () => true;
    const off = store.sourceIds().filter((id) => !store.shows(id));
    const filters = [...store.filters.map(filterText), ...off.map((id) => `without: ${id}`)];
    const lines = activationLines(store.session, passes, filtered ? filters : []);
    save(new Blob([lines], { type: "application/x-ndjson" }), `${this.name()}.jsonl`);
  }

  /** A file name from the room and the first words of the prompt. */
  private name(): string {
    const { room, session } = this.store;
    const words = (session.run?.prompt ?? "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    return ["axon", room?.room, ...words.slice(0, 6)].filter(Boolean).join("-");
  }
}

/** A link that fills in this run's settings, with the seed that the server drew for it. */
export function linkTo(run: Run, view: View): string {
  const knobs = KNOBS.flatMap((name): [KnobName, string][] => {
    const value = run.params[name];
    return typeof value === "number" || typeof value === "string" ? [[name, String(value)]] : [];
  });
  const settings: RunSettings = {
    prompt: run.prompt,
    model: run.model,
    knobs: Object.fromEntries(knobs),
  };
  const query = runQuery(settings, { ...view, sources: run.sources });
  return at(query).href;
}

function recordingOf(room: RoomFrame | null): string {
  return `api/rooms/${room?.room ?? ""}/recording.jsonl`;
}

function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers read it after the click.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}
