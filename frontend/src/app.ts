/** Wires the page: a room and recordings feed the store, which the views follow. */
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/loop";
import { askForFacts, askForFeature, askForLabelled, Facts } from "./net/backend";
import { Live } from "./net/live";
import { readRun } from "./state/address";
import type { Start } from "./state/playhead";
import { Store } from "./state/store";
import { AddressBar, replayWanted } from "./ui/address-bar";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { PinnedView, StrongestView } from "./ui/features";
import { ExportMenu, flawsOf, loadRecording, Recordings } from "./ui/files";
import { Finding } from "./ui/finding";
import { Follow } from "./ui/follow";
import { ExamplesView, offerHelp } from "./ui/help";
import { Inspector } from "./ui/inspector";
import { LinkFloor } from "./ui/link-floor";
import { ModelView, SourcesView } from "./ui/model";
import { Notice } from "./ui/notice";
import { AccessField, RoomView, Share } from "./ui/room";
import { TextView } from "./ui/text";
import { Timeline } from "./ui/timeline";
import { Tip } from "./ui/tip";
import { GRAPH_LOST, NO_GRAPH } from "./words/en";
import type { Recording } from "./wire/recording";
import type { GenerateRequest, OpenRequest, ShareRequest } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";
const FROM_THE_START: Start = { speed: 1, at: null, run: null };

export function openPage(): void {
  const query = new URLSearchParams(location.search);
  const store = new Store();
  const { playhead } = store;
  const live = new Live(store, query);
  const addressBar = new AddressBar(store);
  const sources = new SourcesView(store);

  const showRoom = (): void => {
    playhead.close();
    recordings.say("");
    if (store.session !== store.live) store.show(store.live);
  };
  const show = (recording: Recording, start: Start): void => {
    playhead.open(recording.frames, start);
    recordings.say(flawsOf(recording));
  };
  const generate = (request: GenerateRequest): void => {
    if (!live.send(request)) return;
    playhead.lookAt(null);
    store.room.stream.requested();
    addressBar.forgetRun();
  };
  const recordings = new Recordings((recording) => {
    addressBar.forgetReplay();
    show(recording, FROM_THE_START);
  });
  const controls = new Controls(store, sources, {
    generate,
    stop: () => live.send({ type: "stop" }),
  });
  const finding = new Finding(store, askForLabelled);
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
  const graph = makeGraph(store, notice, query);
  const follow = new Follow(store, graph?.gaze ?? null, (view) => live.send(view));

  new ExamplesView(store, (prompt) => {
    controls.suggest(prompt);
  });
  new ModelView(store, (model) => {
    // Choosing another model ends the recording of this one.
    if (store.origin === "recording") showRoom();
    live.chooseModel(model);
  });
  new AccessField(store, (token) => {
    live.enter(token);
  });
  new Facts(store, askForFacts);
  new Share(store, () => live.send({ type: "share" } satisfies ShareRequest));
  new RoomView(store, (open) => live.send({ type: "open", open } satisfies OpenRequest), showRoom);
  new Tip();
  new TextView(store);
  new Timeline(store);
  new StrongestView(store);
  new PinnedView(store);
  new Inspector(store, askForFeature);
  new LinkFloor(store);
  new ExportMenu(store, {
    picture: () => graph?.picture() ?? null,
    view: () => addressBar.view,
    access: () => live.access,
  });
  offerHelp(() => {
    finding.focus();
  });
  byId("fit").addEventListener("click", () => graph?.fit());
  byId("reset").addEventListener("click", () => {
    store.look({ feature: null, token: null });
    graph?.reset();
  });
  exposeDebugHandle(store, graph);
  if (graph && query.has("debug")) {
    showOverlay(() => ({ ...graph.statistics, tokens: store.session.tokens.length }));
  }

  const replay = async (nameOrUrl: string, start: Start): Promise<void> => {
    const recording = await loadRecording(nameOrUrl);
    // Something else may have come while it was fetched.
    if (store.origin === "none") show(recording, start);
  };
  const wanted = replayWanted(query);
  if (wanted !== null) {
    store.set({ backend: { state: "off" } });
    replay(wanted.name, wanted).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `The recording cannot be shown: ${reason}.`;
      store.set({ connection: { state: "gone", message } });
    });
    return;
  }
  const run = readRun(query);
  // Nobody has asked for the first recording: it is optional, and still under reduced motion.
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const unasked = still ? { ...FROM_THE_START, speed: Infinity } : FROM_THE_START;
  if (!live.watches && !run) void replay(FIRST_RECORDING, unasked).catch(() => undefined);
  if (run) {
    controls.fill(run);
    live.chooseModel(run.model);
  }
  live.start({
    begun: showRoom,
    view: (frame) => {
      follow.take(frame);
    },
  });
}

function makeGraph(store: Store, notice: Notice, query: URLSearchParams): Graph | null {
  const host = {
    canvas: byId("canvas", HTMLCanvasElement),
    labels: byId("labels"),
    stage: byId("stage"),
    bar: byId("bar"),
    tools: byId("graph-tools"),
    drawable: (may: boolean) => {
      notice.standing.value = may ? null : GRAPH_LOST;
    },
  };
  try {
    if (query.get("webgl") === "off") throw new Error("switched off in the address");
    return new Graph(host, store);
  } catch {
    notice.standing.value = NO_GRAPH;
    document.body.classList.add("no-graph");
    return null;
  }
}
