/** Wires the page together: socket -> store -> graph, text, inspector, controls. */
import "@fontsource-variable/source-sans-3";
import "./styles/page.css";
import "./styles/panels.css";
import "./styles/graph.css";
import "./styles/rooms.css";
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/overlay";
import { Live } from "./live";
import { askForFacts, askForFeature } from "./net/backend";
import { Facts } from "./net/facts";
import { loadRecording, play, type Player } from "./net/replay";
import { readRun } from "./session/address";
import { type Origin, Store } from "./session/store";
import { AccessField } from "./ui/access";
import { AddressBar } from "./ui/address-bar";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { ExportMenu } from "./ui/export";
import { Finding } from "./ui/finding";
import { Follow } from "./ui/follow";
import { offerHelp } from "./ui/help";
import { Inspector } from "./ui/inspector";
import { LinkFloor } from "./ui/link-floor";
import { ModelView } from "./ui/model";
import { GRAPH_LOST, NO_GRAPH, Notice } from "./ui/notice";
import { offerRecordings } from "./ui/recordings";
import { RoomView } from "./ui/room";
import { Share } from "./ui/share";
import { SourcesView } from "./ui/sources";
import { StrongestView } from "./ui/strongest";
import { TextView } from "./ui/text";
import type { Recorded } from "./wire/parse";
import type { Frame, GenerateRequest, OpenRequest } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";
const BESIDE_THE_LOG: ReadonlySet<string> = new Set(["room", "error"]);

const query = new URLSearchParams(location.search);
const store = new Store((run) => setTimeout(run, 0));
let player: Player | null = null;

const live = new Live(store, query, receive);

/**
 * A generation that begins in the room ends the recording; a quiet room, or a refusal, leaves it on
 * show, and so does the rest of a generation that it has interrupted.
 */
function receive(frame: Frame): void {
  if (frame.type === "view") {
    follow.take(frame);
    return;
  }
  if (frame.type === "queued" || frame.type === "started") goLive();
  else if (!BESIDE_THE_LOG.has(frame.type) && store.origin === "recording") return;
  store.apply(frame);
}

function goLive(): void {
  stopPlayer();
  if (store.origin !== "live") putAway("live");
}

/** Takes what is shown off the page; the room stays. */
function putAway(origin: Origin = "none"): void {
  stopPlayer();
  const { room } = store.session;
  store.restart(origin);
  store.session.room = room;
}

function stopPlayer(): void {
  player?.stop();
  player = null;
}

function generate(request: GenerateRequest): void {
  if (!live.send(request)) return;
  stopPlayer();
  store.lookAt(null);
  store.session.requested();
  addressBar.forgetRun();
  store.changed();
}

async function replay(nameOrUrl: string, pace: number): Promise<void> {
  const frames = await loadRecording(nameOrUrl);
  if (store.origin !== "live") show(frames, pace);
}

/** Plays a recording in place of what is shown; the room stays, and what comes in it takes over. */
function show(frames: readonly Recorded[], pace: number): void {
  putAway("recording");
  const apply = (frame: Frame): void => {
    store.apply(frame);
  };
  player = play(frames, pace, apply, () => (player = null));
}

function makeGraph(notice: Notice): Graph | null {
  const host = {
    canvas: byId("canvas", HTMLCanvasElement),
    labels: byId("labels"),
    stage: byId("stage"),
    tools: byId("graph-tools"),
    drawable: (may: boolean) => {
      notice.standing = may ? null : GRAPH_LOST;
      store.changed();
    },
  };
  try {
    if (query.get("webgl") === "off") throw new Error("switched off in the address");
    return new Graph(host, store);
  } catch {
    notice.standing = NO_GRAPH;
    document.body.classList.add("no-graph");
    store.changed();
    return null;
  }
}

const addressBar = new AddressBar(store);
const sources = new SourcesView(store);
const controls = new Controls(store, sources, {
  generate,
  stop: () => live.send({ type: "stop" }),
});
new ModelView(store, (model) => {
  // Whoever wants another model has seen enough of a recording of this one.
  if (store.origin === "recording") putAway();
  live.chooseModel(model);
});
new AccessField(store, (token) => {
  live.enter(token);
});
const finding = new Finding(store);
new Facts(store, askForFacts);
new Share(store);
offerHelp(() => {
  finding.focus();
});
new RoomView(store, (open) => live.send({ type: "open", open } satisfies OpenRequest));
offerRecordings((frames) => {
  show(frames, 1);
});
new TextView(store);
new StrongestView(store);
new Inspector(store, askForFeature);
new LinkFloor(store);
const notice = new Notice(store, {
  retry: () => {
    live.hurry();
  },
  "clear-filters": () => {
    finding.clear();
  },
  "own-room": () => {
    location.href = "/";
  },
});
const graph = makeGraph(notice);
const follow = new Follow(store, graph, (view) => live.send(view));
new ExportMenu(store, {
  picture: () => graph?.picture() ?? null,
  view: () => addressBar.view,
  access: () => live.access,
});
byId("fit").addEventListener("click", () => graph?.fit());
byId("reset").addEventListener("click", () => {
  store.choose(null);
  store.lookAt(null);
  graph?.reset();
});
exposeDebugHandle(store, graph);
if (graph && query.has("debug")) {
  showOverlay(() => ({ ...graph.statistics, tokens: store.session.tokens.length }));
}

const replayWanted = query.get("replay");
if (replayWanted !== null) {
  store.set({ backend: { state: "off" } });
  replay(replayWanted, Number(query.get("pace") ?? 1)).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    store.set({
      connection: { state: "gone", message: `The recording cannot be shown: ${reason}.` },
    });
  });
} else {
  // The page is whole without its first recording: where it is missing, nothing plays.
  if (!live.watches) {
    void replay(FIRST_RECORDING, 1).catch(() => undefined);
  }
  const run = readRun(query);
  if (run) {
    controls.fill(run);
    live.chooseModel(run.model);
  }
  live.start();
}
