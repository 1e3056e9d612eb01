/** Wires the page together: socket -> store -> graph, text, inspector, controls. */
import "@fontsource-variable/source-sans-3";
import "./styles/page.css";
import "./styles/panels.css";
import "./styles/graph.css";
import "./styles/playback.css";
import "./styles/inspector.css";
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/overlay";
import { askForFeature, waitForModel } from "./net/backend";
import { browserEnvironment, type Resume, RoomSocket } from "./net/room-socket";
import { browserWait, Player, type Start } from "./net/player";
import { loadRecording } from "./net/replay";
import { Store } from "./session/store";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { Inspector } from "./ui/inspector";
import { LinkFloor } from "./ui/link-floor";
import { GRAPH_LOST, NO_GRAPH, Notice } from "./ui/notice";
import { PinnedView } from "./ui/pinned";
import { flawsOf, Recordings } from "./ui/recordings";
import { forgetReplayInAddress, keepReplayInAddress, replayWanted } from "./ui/replay-address";
import { RoomView } from "./ui/room";
import { loadAccess, loadToken, saveAccess, saveToken } from "./ui/settings";
import { SourcesView } from "./ui/sources";
import { StrongestView } from "./ui/strongest";
import { TextView } from "./ui/text";
import { Timeline } from "./ui/timeline";
import { Tip } from "./ui/tip";
import type { Recording } from "./wire/recording";
import type { ErrorFrame, Frame, GenerateRequest, OpenRequest, RoomFrame } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";
const FROM_THE_START: Start = { speed: 1, at: null, run: null };

const query = new URLSearchParams(location.search);
let roomWanted = /^\/r\/([\w-]+)\/?$/.exec(location.pathname)?.[1] ?? null;
const store = new Store((run) => setTimeout(run, 0));
const player = new Player(store, browserWait);

const access = query.get("access") ?? loadAccess();
saveAccess(access);

const socket = new RoomSocket(
  { ...browserEnvironment, access },
  {
    resume,
    frame: receive,
    state: (connection) => {
      if (connection.state === "waiting") store.session.interrupted();
      store.set({ connection });
    },
    refused,
    broken: (error) => {
      console.error(`a frame was skipped: ${error.message}`);
    },
  },
);

/** Where to come in: the room we were in, the one in the address, or a new one. */
function resume(): Resume | null {
  const { room, lastSeq } = store.session;
  // A recording counts its own frames: of the room's log nothing has been seen yet.
  const from = store.origin === "live" ? lastSeq + 1 : 1;
  if (room) return { room: room.room, from, token: room.token ?? loadToken(room.room) ?? null };
  if (roomWanted === null) return null;
  return { room: roomWanted, from: 1, token: loadToken(roomWanted) ?? null };
}

/** The address becomes the room's: it can be passed on, and a reload leads back into the room. */
function moveIn({ room, token }: RoomFrame): void {
  if (token !== undefined) saveToken(room, token);
  const path = `/r/${room}`;
  if (location.pathname !== path) history.replaceState(null, "", path + location.search);
}

/** A room that is gone: whoever opened it opens a new one, a viewer can only be told. */
function refused({ error }: ErrorFrame): boolean {
  if (error !== "unknown_room") return true;
  if (roomWanted !== null && loadToken(roomWanted) === undefined) {
    const gone =
      "This room is closed. Ask for a new link, or open a room of your own at the start page.";
    store.set({ connection: { state: "gone", message: gone } });
    return false;
  }
  roomWanted = null;
  store.session.leave();
  return true;
}

/**
 * A generation that begins in the room ends the recording; a quiet room, or a refusal, leaves it on
 * show, and so does the rest of a generation that it has interrupted.
 */
function receive(frame: Frame): void {
  if (frame.type === "room") moveIn(frame);
  else if (frame.type === "queued" || frame.type === "started") goLive();
  else if (frame.type !== "error" && store.origin === "recording") return;
  store.apply(frame);
}

function goLive(): void {
  player.close();
  recordings.say("");
  if (store.origin === "live") return;
  const { room } = store.session;
  store.restart("live");
  store.session.room = room;
}

function generate(request: GenerateRequest): void {
  if (!socket.send(request)) return;
  store.lookAt(null);
  store.session.requested();
  store.changed();
}

async function replay(nameOrUrl: string, start: Start): Promise<void> {
  const recording = await loadRecording(nameOrUrl);
  if (store.origin !== "live") show(recording, start);
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

const sources = new SourcesView(store);
new Controls(store, sources, { generate, stop: () => socket.send({ type: "stop" }) });
new RoomView(store, (open) => socket.send({ type: "open", open } satisfies OpenRequest));
const recordings = new Recordings((recording) => {
  forgetReplayInAddress();
  show(recording, FROM_THE_START);
});
new Tip();
new TextView(store);
new Timeline(store, player);
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
const graph = makeGraph(new Notice(store));
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
  // The page is whole without its first recording: where it is missing, nothing plays.
  if (roomWanted === null || loadToken(roomWanted) !== undefined) {
    void replay(FIRST_RECORDING, FROM_THE_START).catch(() => undefined);
  }
  void waitForModel((backend) => {
    store.set({ backend });
  }).then(() => {
    socket.connect();
  });
}
