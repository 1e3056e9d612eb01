/** Wires the page together: socket -> store -> graph, text, inspector, controls. */
import "@fontsource-variable/source-sans-3";
import "./styles/page.css";
import "./styles/panels.css";
import "./styles/graph.css";
import "./styles/playback.css";
import "./styles/inspector.css";
import "./styles/rooms.css";
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/overlay";
import { Live } from "./live";
import { askForFacts, askForFeature, askForLabelled } from "./net/backend";
import { Facts } from "./net/facts";
import { browserWait, Player, type Start } from "./net/player";
import { loadRecording } from "./net/replay";
import { at } from "./net/server";
import { readRun } from "./session/address";
import { Store } from "./session/store";
import { AccessField } from "./ui/access";
import { AddressBar } from "./ui/address-bar";
import { offerTheRoom } from "./ui/back-to-room";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { ExamplesView } from "./ui/examples";
import { ExportMenu } from "./ui/export";
import { Finding } from "./ui/finding";
import { Follow } from "./ui/follow";
import { offerHelp } from "./ui/help";
import { Inspector } from "./ui/inspector";
import { LinkFloor } from "./ui/link-floor";
import { ModelView } from "./ui/model";
import { GRAPH_LOST, NO_GRAPH, Notice } from "./ui/notice";
import { PinnedView } from "./ui/pinned";
import { flawsOf, Recordings } from "./ui/recordings";
import { forgetReplayInAddress, keepReplayInAddress, replayWanted } from "./ui/replay-address";
import { RoomView } from "./ui/room";
import { Share } from "./ui/share";
import { SourcesView } from "./ui/sources";
import { StrongestView } from "./ui/strongest";
import { TextView } from "./ui/text";
import { Timeline } from "./ui/timeline";
import { Tip } from "./ui/tip";
import type { Recording } from "./wire/recording";
import type { GenerateRequest, OpenRequest, ShareRequest } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";
const FROM_THE_START: Start = { speed: 1, at: null, run: null };
/** Nobody has asked for the first recording: under reduced motion it stands still. */
const UNASKED: Start = matchMedia("(prefers-reduced-motion: reduce)").matches
  ? { ...FROM_THE_START, speed: Infinity }
  : FROM_THE_START;

const query = new URLSearchParams(location.search);
const store = new Store((run) => setTimeout(run, 0));
const player = new Player(store, browserWait);

const live = new Live(store, query, {
  begun: showRoom,
  view: (frame) => {
    follow.take(frame);
  },
});

/** What the room streams takes the place of a recording. */
function showRoom(): void {
  player.close();
  recordings.say("");
  if (store.session !== store.live) store.show(store.live);
}

function generate(request: GenerateRequest): void {
  if (!live.send(request)) return;
  store.lookAt(null);
  store.live.requested();
  addressBar.forgetRun();
  store.changed();
}

async function replay(nameOrUrl: string, start: Start): Promise<void> {
  const recording = await loadRecording(nameOrUrl);
  // Something else may have come while it was fetched.
  if (store.origin === "none") show(recording, start);
}

function show(recording: Recording, start: Start): void {
  player.open(recording.frames, start);
  recordings.say(flawsOf(recording));
}

function makeGraph(notice: Notice): Graph | null {
  const host = {
    canvas: byId("canvas", HTMLCanvasElement),
    labels: byId("labels"),
    stage: byId("stage"),
    bar: byId("bar"),
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
new ExamplesView(store, (prompt) => {
  controls.suggest(prompt);
});
new ModelView(store, (model) => {
  // Choosing another model ends the recording of this one.
  if (store.origin === "recording") showRoom();
  live.chooseModel(model);
});
new AccessField(
  store,
  (token) => {
    live.enter(token);
  },
  () => {
    live.leave();
  },
);
const finding = new Finding(store, askForLabelled);
new Facts(store, askForFacts);
new Share(store, () => live.send({ type: "share" } satisfies ShareRequest));
offerHelp(() => {
  finding.focus();
});
new RoomView(store, (open) => live.send({ type: "open", open } satisfies OpenRequest));
const recordings = new Recordings((recording) => {
  forgetReplayInAddress();
  show(recording, FROM_THE_START);
});
new Tip();
new TextView(store);
new Timeline(store, player);
offerTheRoom(store, showRoom);
new StrongestView(store);
new PinnedView(store);
new Inspector(
  store,
  (index) => {
    player.seek(index);
  },
  askForFeature,
);
keepReplayInAddress(store);
new LinkFloor(store);
const notice = new Notice(store, {
  retry: () => {
    live.hurry();
  },
  "clear-filters": () => {
    finding.clear();
  },
  "own-room": () => {
    location.href = at("").href;
  },
});
const graph = makeGraph(notice);
const follow = new Follow(store, graph?.gaze ?? null, (view) => live.send(view));
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

const wanted = replayWanted(query);
if (wanted !== null) {
  store.set({ backend: { state: "off" } });
  replay(wanted.name, wanted).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    store.set({
      connection: { state: "gone", message: `The recording cannot be shown: ${reason}.` },
    });
  });
} else {
  const run = readRun(query);
  // The first recording is optional: if it is missing, nothing plays.
  if (!live.watches && !run) void replay(FIRST_RECORDING, UNASKED).catch(() => undefined);
  if (run) {
    controls.fill(run);
    live.chooseModel(run.model);
  }
  live.start();
}
