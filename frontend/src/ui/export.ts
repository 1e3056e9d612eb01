/** The export menu: the room's recording, activations, a picture, a link. */
import { type AddressView, runQuery } from "../state/address";
import { activationLines } from "../state/export";
import { filterText } from "../state/filters";
import type { RunSettings } from "../state/log";
import type { Store } from "../state/store";
import { KNOBS, type KnobName } from "../wire/model";
import { copyText } from "./copy";
import { byId, h } from "./dom";

/** What the menu needs beside the store. */
export interface Takeable {
  /** The graph as a PNG; null if there is no graph. */
  picture(): Promise<Blob> | null;
  view(): AddressView;
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
    this.recording.addEventListener("click", () => {
      this.menu.hidePopover();
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
    const { session, presence: room, origin, filters, hidden } = this.store;
    const live = origin === "live" && room !== null;
    const access = this.page.access();
    const query = access === null ? "" : `?${new URLSearchParams({ access }).toString()}`;
    this.recording.hidden = !live;
    this.recording.href = `/api/rooms/${room?.room ?? ""}/recording.jsonl${query}`;
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
    const { presence: room, session } = this.store;
    const words = (session.run?.prompt ?? "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    return ["axon", room?.room, ...words.slice(0, 6)].filter(Boolean).join("-");
  }
}

/** A link that fills in this run's settings, with the seed that the server drew for it. */
export function linkTo(run: RunSettings, view: AddressView): string {
  const knobs = KNOBS.flatMap((name): [KnobName, string][] => {
    const value = run.params[name];
    return typeof value === "number" || typeof value === "string" ? [[name, String(value)]] : [];
  });
  const { prompt, model } = run;
  const query = runQuery(
    { prompt, model, knobs: Object.fromEntries(knobs) },
    { ...view, sources: run.sources },
  );
  return new URL(`/${query}`, location.href).href;
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
