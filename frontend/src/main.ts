/** Wires the page together: socket -> store -> graph, text, inspector, controls. */
import "@fontsource-variable/source-sans-3";
import "./styles/page.css";
import "./styles/panels.css";
import "./styles/graph.css";
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/overlay";
import { askForFeature, waitForModel } from "./net/backend";
import { browserEnvironment, type Resume, RoomSocket } from "./net/room-socket";
import { loadRecording, play, type Player } from "./net/replay";
import { Store } from "./session/store";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { Inspector } from "./ui/inspector";
import { LinkFloor } from "./ui/link-floor";
import { GRAPH_LOST, NO_GRAPH, Notice } from "./ui/notice";
import { offerRecordings } from "./ui/recordings";
import { RoomView } from "./ui/room";
import { loadAccess, loadToken, saveAccess, saveToken } from "./ui/settings";
import { SourcesView } from "./ui/sources";
import { StrongestView } from "./ui/strongest";
import { TextView } from "./ui/text";
import type { Recorded } from "./wire/parse";
import type { ErrorFrame, Frame, GenerateRequest, OpenRequest, RoomFrame } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";

const query = new URLSearchParams(location.search);
let roomWanted = /^\/r\/([\w-]+)\/?$/.exec(location.pathname)?.[1] ?? null;
const store = new Store((run) => setTimeout(run, 0));
let player: Player | null = null;

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
  stopPlayer();
  if (store.origin === "live") return;
  const { room } = store.session;
  store.restart("live");
  store.session.room = room;
}

function stopPlayer(): void {
  player?.stop();
  player = null;
}

function generate(request: GenerateRequest): void {
  if (!socket.send(request)) return;
  stopPlayer();
  store.lookAt(null);
  store.session.requested();
  store.changed();
}

async function replay(nameOrUrl: string, pace: number): Promise<void> {
  const frames = await loadRecording(nameOrUrl);
  if (store.origin !== "live") show(frames, pace);
}

/** Plays a recording in place of what is shown; the room stays, and what comes in it takes over. */
function show(frames: readonly Recorded[], pace: number): void {
  stopPlayer();
  const { room } = store.session;
  store.restart("recording");
  store.session.room = room;
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

const sources = new SourcesView(store);
new Controls(store, sources, { generate, stop: () => socket.send({ type: "stop" }) });
new RoomView(store, (open) => socket.send({ type: "open", open } satisfies OpenRequest));
offerRecordings((frames) => {
  show(frames, 1);
});
new TextView(store);
new StrongestView(store);
new Inspector(store, askForFeature);
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
  if (roomWanted === null || loadToken(roomWanted) !== undefined) {
    void replay(FIRST_RECORDING, 1).catch(() => undefined);
  }
  void waitForModel((backend) => {
    store.set({ backend });
  }).then(() => {
    socket.connect();
  });
}
