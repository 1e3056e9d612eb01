/** Wires the page: a room and recordings feed the store, which the views follow. */
import { exposeDebugHandle } from "./debug";
import { Graph } from "./graph/graph";
import { showOverlay } from "./graph/loop";
import { MatrixPanel } from "./matrix/panel";
import { askForFacts, askForFeature, askForLabelled, Facts } from "./net/backend";
import { Hints } from "./net/hints";
import { roomRecording } from "./net/recording";
import { Live } from "./net/live";
import { gatewayMap, MapWatch } from "./net/map";
import { at } from "./net/server";
import { askWhy } from "./net/why";
import { readRun } from "./state/address";
import type { Start } from "./state/playhead";
import { loadDisplayPace } from "./state/settings";
import { Scenes } from "./state/scenes";
import { signal } from "./state/signals";
import { Store } from "./state/store";
import { Why } from "./state/why";
import { AddressBar, replayWanted } from "./ui/address-bar";
import { Comparing } from "./ui/comparing";
import { Controls } from "./ui/controls";
import { byId } from "./ui/dom";
import { EditChips } from "./ui/edit-chips";
import { offerExports, flawsOf, loadRecording, Recordings, sharedRun } from "./ui/files";
import { Finding } from "./ui/finding";
import { Follow } from "./ui/follow";
import { FootprintDialog } from "./ui/footprint";
import { offerExamples, offerHelp } from "./ui/help";
import { Inspector } from "./ui/inspector";
import { showPinned, showStrongest } from "./ui/features";
import { offerLanguages } from "./ui/language";
import { offerLabels } from "./ui/own-name";
import { showLayers } from "./ui/layers";
import { showLegend } from "./ui/legend";
import { MapPanel } from "./ui/map";
import { offerLinkFloor, showModel, SourcesView } from "./ui/model";
import { showNotices } from "./ui/notice";
import { offerPresenting } from "./ui/present";
import { Queue } from "./ui/queue";
import { offerEarlier, offerTaking, showRoom } from "./ui/room";
import { ScenesDialog } from "./ui/scenes";
import { TextView } from "./ui/text";
import { offerTheme } from "./ui/theme";
import { Timeline } from "./ui/timeline";
import { Tip } from "./ui/tip";
import { Tour } from "./ui/tour";
import { offerVotes, VoteCard } from "./ui/vote";
import { WhyLine, WhyPanel } from "./ui/why";
import { GRAPH_LOST, NO_GRAPH, SAY, TAKE } from "./words";
import { isBusy } from "./words/status";
import { type Recorded, type Recording, runsOf } from "./wire/recording";
import type { GenerateRequest } from "./wire/asking";
import type { OpenRequest, ShareRequest } from "./wire/types";

const FIRST_RECORDING = "capital-of-france";
const FROM_THE_START: Start = { speed: null, at: null, run: null };

export function openPage(): void {
  const query = new URLSearchParams(location.search);
  offerTheme(query);
  offerLanguages();
  const store = new Store();
  const { playhead } = store;
  playhead.setPace(loadDisplayPace());
  const live = new Live(store, query);
  store.reach.send = (message) => live.send(message);
  store.room.hall.send = (message) => live.send(message);
  const scenes = new Scenes(store);
  let opened: readonly Recorded[] = [];
  const addressBar = new AddressBar(store);
  const sources = new SourcesView(store);

  const backToRoom = (): void => {
    playhead.close();
    recordings.say("");
    if (store.session !== store.live) store.show(store.live);
  };
  const show = (recording: Recording, start: Start): void => {
    opened = recording.frames;
    playhead.open(recording.frames, start);
    recordings.say(flawsOf(recording));
    if (recording.scenes.length === 0) return;
    scenes.load(recording);
    scenes.show(0);
  };
  const generate = (request: GenerateRequest): void => {
    const waits = isBusy(store);
    const { name } = queue;
    if (!live.send(name === "" ? request : { ...request, name }) || waits) return;
    playhead.lookAt(null);
    store.room.stream.requested();
    addressBar.forgetRun();
  };
  const recordings = new Recordings((recording) => {
    addressBar.forgetReplay();
    show(recording, FROM_THE_START);
  });
  const queue = new Queue(store);
  const controls = new Controls(store, sources, {
    generate,
    stop: () => live.send({ type: "stop" }),
  });
  store.reach.generate = (texts) => controls.submit(texts);
  const finding = new Finding(store, askForLabelled);
  const standing = signal<string | null>(null);
  const linked = signal(false);
  showNotices(store, standing, linked, {
    "run-link": () => controls.submit(),
    retry: () => live.hurry(),
    "clear-filters": () => finding.clear(),
    "own-room": () => {
      location.href = at("").href;
    },
  });
  const panel = new MapPanel(store, askForFacts);
  const graph = makeGraph(store, standing, query, panel);
  const follow = new Follow(store, (view) => live.send(view));

  offerExamples(store, (prompt) => controls.suggest(prompt));
  showModel(store, (model) => {
    // Choosing another model ends the recording of this one.
    if (store.origin === "recording") backToRoom();
    live.chooseModel(model);
  });
  new Facts(store, askForFacts);
  new Hints(store, askForFeature);
  new MapWatch(store, gatewayMap);
  showRoom(store, {
    setOpen: (open) => live.send({ type: "open", open } satisfies OpenRequest),
    publish: () => live.send({ type: "share" } satisfies ShareRequest),
    back: backToRoom,
    enter: (token) => live.enter(token),
    leave: () => live.leave(),
  });
  offerTaking(store);
  const notFetched = (error: unknown): void => {
    recordings.say(TAKE.failed(error instanceof Error ? error.message : String(error)));
  };
  offerEarlier(store, () => {
    roomRecording(store).then((recording) => {
      const run = Math.max(0, runsOf(recording.frames).length - 2);
      show(recording, { speed: Infinity, at: null, run });
    }, notFetched);
  });
  offerVotes(store);
  new VoteCard(store);
  new ScenesDialog(store, scenes, async () => {
    const live = store.origin === "live";
    const frames = live ? (await roomRecording(store)).frames : opened;
    return runsOf(frames).at(live ? -1 : playhead.run) ?? null;
  });
  new Tip();
  new FootprintDialog(store);
  new TextView(store);
  new Timeline(store);
  showStrongest(store);
  showPinned(store);
  const comparing = new Comparing(store);
  new MatrixPanel(store, () => comparing.open());
  new Inspector(store, askForFeature, askForLabelled, askForFacts);
  const why = new Why(store, askWhy);
  new WhyLine(store, why);
  new WhyPanel(store, why);
  new EditChips(store, askForFacts);
  offerLinkFloor(store);
  offerExports(store, {
    picture: (kind) => graph?.picture(kind) ?? null,
    access: () => live.access,
  });
  offerLabels((text) => recordings.say(text));
  const tour = new Tour();
  offerHelp(() => finding.focus(), () => tour.begin(0, true)); // prettier-ignore
  offerPresenting(store, query);
  showLegend(store);
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
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const wanted = replayWanted(query, still);
  const step = query.get("tour");
  if (step !== null) tour.begin(Number(step) - 1);
  else if (wanted === null) tour.offer();
  if (wanted !== null) {
    store.set({ backend: { state: "off" } });
    replay(wanted.name, wanted).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      const message = SAY.notShown(reason);
      store.set({ connection: { state: "gone", message } });
    });
    return;
  }
  const taken = query.get("take");
  if (taken !== null) {
    roomRecording(store, taken).then((recording) => {
      show(recording, { speed: Infinity, at: null, run: null });
      const { run } = store.session;
      if (!run) return;
      const { edits, ...settings } = sharedRun(run);
      controls.fill(settings);
      store.reach.change(edits);
    }, notFetched);
  }
  const run = readRun(query);
  // Nobody has asked for the first recording: it is optional, and still under reduced motion.
  const unasked = still ? { ...FROM_THE_START, speed: Infinity } : FROM_THE_START;
  if (!live.watches && !run && taken === null)
    void replay(FIRST_RECORDING, unasked).catch(() => undefined);
  if (run) {
    controls.fill(run);
    linked.value = true;
    live.chooseModel(run.model);
  }
  live.start({
    begun: backToRoom,
    view: (frame) => follow.take(frame),
  });
}

/** The graph; where there is none, `standing` says so. */
function makeGraph(
  store: Store,
  standing: { value: string | null },
  query: URLSearchParams,
  panel: MapPanel,
): Graph | null {
  const host = {
    canvas: byId("canvas", HTMLCanvasElement),
    labels: byId("labels"),
    stage: byId("stage"),
    bar: byId("bar"),
    tools: byId("graph-tools"),
    corner: byId("corner", HTMLCanvasElement),
    overDistrict: panel.show,
    drawable: (may: boolean) => {
      standing.value = may ? null : GRAPH_LOST;
    },
  };
  try {
    if (query.get("webgl") === "off") throw new Error("switched off in the address");
    return new Graph(host, store);
  } catch {
    standing.value = NO_GRAPH;
    document.body.classList.add("no-graph");
    showLayers(store);
    return null;
  }
}
