/** What leaves the page and comes into it: recordings, activations, pictures, links. */
import type { PictureKind } from "../graph/picture";
import { at, call } from "../net/server";
import { recordingOf } from "../net/recording";
import { runQuery, type SharedRun } from "../state/address";
import type { Feature } from "../state/feature";
import { filterText } from "../state/filters";
import type { RunSettings, Token } from "../state/log";
import type { Session } from "../state/session";
import type { Store } from "../state/store";
import type { View } from "../state/view";
import { type KnobName, KNOBS } from "../wire/model";
import { parseRecording, type Recording } from "../wire/recording";
import { USER } from "../wire/asking";
import type { Edit } from "../wire/types";
import { byId, copyText, h, setText } from "./dom";
import { SAY } from "../words";

/** What the menu needs beside the store. */
export interface Takeable {
  /** The graph as it is now; null if there is no graph. */
  picture(kind: PictureKind): Promise<Blob> | null;
  access(): string | null;
}

/** The export menu: the room's recording, activations, a picture, a link. */
export function offerExports(store: Store, page: Takeable): void {
  const menu = byId("export-menu");
  const recording = byId("export-recording", HTMLAnchorElement);
  const pictures = (["png", "svg"] as const).map((kind) => ({
    kind,
    button: byId(`export-${kind}`, HTMLButtonElement),
  }));
  const link = byId("export-link", HTMLButtonElement);
  const [all, shown] = ["export-all", "export-shown"].map((id) => byId(id, HTMLButtonElement));
  menu.addEventListener("beforetoggle", () => {
    const { session, presence: room, origin, filters, hidden } = store;
    recording.hidden = origin !== "live" || room === null;
    recording.href = at(recordingOf(room?.room ?? "")).href;
    if (shown) shown.hidden = filters.length === 0 && hidden.size === 0;
    for (const button of [all, shown]) if (button) button.disabled = session.tokens.length === 0;
    for (const { button } of pictures) button.hidden = document.body.matches(".no-graph");
    link.disabled = session.run === null || !canBeShared(session.run);
  });
  recording.addEventListener("click", (event) => {
    menu.hidePopover();
    const { presence: room } = store;
    if (page.access() === null || room === null) return;
    // A link cannot show the access token.
    event.preventDefault();
    void call(recordingOf(room.room)).then(async (response) => {
      if (response.ok) save(await response.blob(), `axon-${room.room}.jsonl`);
    });
  });
  for (const button of [all, shown]) {
    button?.addEventListener("click", () => {
      menu.hidePopover();
      saveActivations(store, button === shown);
    });
  }
  for (const { kind, button } of pictures) {
    button.addEventListener("click", () => {
      menu.hidePopover();
      void page.picture(kind)?.then((picture) => save(picture, `${nameFor(store)}.${kind}`));
    });
  }
  link.addEventListener("click", () => {
    const { run } = store.session;
    if (run) void copyText(linkTo(run, store.view), link);
  });
}

function saveActivations(store: Store, filtered: boolean): void {
  const passes = filtered ? store.passes.bind(store) : () => true;
  const off = store.sourceIds().filter((id) => !store.shows(id));
  const filters = [...store.filters.map(filterText), ...off.map((id) => `without: ${id}`)];
  const lines = activationLines(store.session, passes, filtered ? filters : []);
  save(new Blob([lines], { type: "application/x-ndjson" }), `${nameFor(store)}.jsonl`);
}

/** A file name from the room and the first words of the prompt. */
function nameFor({ presence: room, session }: Store): string {
  const words = (session.run?.prompt ?? "").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return ["axon", room?.room, ...words.slice(0, 6)].filter(Boolean).join("-");
}

/** Whether a link can say all that a run depends on: longer conversations and dose series it cannot. */
function canBeShared({ messages: [first, ...others] = [], branches }: RunSettings): boolean {
  const edited = branches.filter(({ edits }) => edits.length > 0);
  return others.length === 0 && edited.length < 2 && (first === undefined || first.role === USER);
}

/** All that this run depends on, with the seed that the server drew for it. */
export function sharedRun(run: RunSettings): SharedRun & { edits: readonly Edit[] } {
  const knobs = KNOBS.flatMap((name): [KnobName, string][] => {
    const value = run.params[name];
    return typeof value === "number" || typeof value === "string" ? [[name, String(value)]] : [];
  });
  const { prompt, model, branches, messages } = run;
  const edits = branches.find((branch) => branch.edits.length > 0)?.edits ?? [];
  const chat = messages !== undefined;
  return { prompt, chat, model, knobs: Object.fromEntries(knobs), edits };
}

/** A link that fills in this run's settings. */
export function linkTo(run: RunSettings, view: View): string {
  const { edits, ...settings } = sharedRun(run);
  return at(runQuery(settings, { ...view, sources: run.sources }, edits)).href;
}

/** Lets the browser save this as a file. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers read it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export class Recordings {
  private readonly target = byId("drop-target");
  private readonly note = byId("recording-note");
  private readonly words = byId("recording-words");

  constructor(private readonly show: (recording: Recording) => void) {
    const input = byId("recording-file", HTMLInputElement);
    byId("open-recording").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      void this.open(input.files?.[0]);
      // The same file may be chosen again.
      input.value = "";
    });
    byId("dismiss-recording-note").addEventListener("click", () => this.say(""));
    this.listenToDrops();
  }

  /** Shows what a recording lacks, or why it cannot be shown; "" hides the note. */
  say(text: string): void {
    setText(this.words, text);
    this.note.hidden = text === "";
  }

  private async open(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    try {
      this.show(parseRecording(await file.text()));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.say(SAY.notPlayed(file.name, reason));
    }
  }

  private listenToDrops(): void {
    const holdsFile = (event: DragEvent): boolean =>
      event.dataTransfer?.types.includes("Files") ?? false;
    // Leaving an element is no end; without a related target, the drag has left the window.
    document.addEventListener("dragenter", (event) => {
      if (holdsFile(event)) this.target.hidden = false;
    });
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) this.target.hidden = true;
    });
    document.addEventListener("dragover", (event) => {
      if (holdsFile(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      this.target.hidden = true;
      void this.open(event.dataTransfer?.files[0]);
    });
  }
}

/** What a recording lacks, in words; "" for a whole one. */
export function flawsOf({ cut, skipped }: Recording): string {
  const said = [];
  if (cut) said.push(SAY.cutOff);
  if (skipped > 0) said.push(SAY.unread(skipped));
  return said.join(" ");
}

/** Fetches a recording, by the name of one that comes with the page or by a path on this host. */
export async function loadRecording(nameOrUrl: string): Promise<Recording> {
  const url = /^[\w-]+$/.test(nameOrUrl)
    ? at(`recordings/${nameOrUrl}.jsonl`)
    : new URL(nameOrUrl, location.href);
  if (url.origin !== location.origin) throw new Error("a recording must be on this host");
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseRecording(await response.text());
}

/**
 * Line 1: `{"type":"activations","version":1,"model","sources","params","prompt","filters"}`.
 * Each further line: `{"type":"token","index","position","token","origin","logprob",
 * "source_features":[{"source","layer","features":[{"id","label","activation"}]}]}`, the strongest
 * feature of a source first. One that edits changed has `"edited":true` and `before`, what it was;
 * silenced ones come last. `passes` selects the features; `filters` says by which filters.
 */
export function activationLines(
  session: Session,
  passes: (feature: Feature) => boolean,
  filters: readonly string[],
): string {
  const { run, tokens } = session;
  const head = {
    type: "activations",
    version: 1,
    model: run?.model ?? null,
    sources: run?.sources ?? [],
    params: run?.params ?? {},
    prompt: run?.prompt ?? null,
    filters,
  };
  const lines = [head, ...tokens.map((token) => tokenLine(token, passes))];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function tokenLine(token: Token, passes: (feature: Feature) => boolean): object {
  const bySource = new Map<string, { source: string; layer: number; features: object[] }>();
  const before = new Map(token.edited.map((one) => [one.feature, one.before]));
  const silenced = token.edited.filter(({ activation }) => activation <= 0);
  for (const { feature, activation } of [...token.active, ...silenced]) {
    if (!passes(feature)) continue;
    const was = before.get(feature);
    const edited = was === undefined ? {} : { edited: true, before: rounded(was) };
    const { source, layer, id, label } = feature;
    const group = bySource.get(source) ?? { source, layer, features: [] };
    group.features.push({ id, label, activation: rounded(activation), ...edited });
    bySource.set(source, group);
  }
  return {
    type: "token",
    index: token.index,
    position: token.position,
    token: token.text,
    origin: token.generated ? "generated" : "prompt",
    logprob: token.logprob,
    source_features: [...bySource.values()],
  };
}

/** Logs keep 32 bits of an activation: more digits than these would be made up. */
function rounded(activation: number): number {
  return Number(activation.toPrecision(7));
}
