/** The graph: puts nodes, links, labels and camera together; draws only if something changed. */
import { Group } from "three";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import type { Pose } from "../state/view";
import { CameraRig } from "./camera";
import { type Extent, extentOf } from "./extent";
import { Gaze } from "./gaze";
import { Hand } from "./hand";
import { Lights } from "./lights";
import { FrameLoop, type GraphStatistics } from "./loop";
import { Placing } from "./map/placing";
import { MapView, NEAR } from "./map/view";
import { Captions } from "./names/choose";
import { Labels } from "./names/draw";
import { below, type Box, within } from "./names/place";
import { NodeCloud, ON_MAP } from "./nodes";
import { hueAmong, isDay, type Rgb } from "./palette";
import { type OnScreen, Projector } from "./pick";
import { across, compose, type PictureKind, subjectOf } from "./picture";
import { Surface, watchLook } from "./surface";
import { FOUND, KIN, MAPPED, Web } from "./threads";

/** A drifting picture is drawn about half as often: it looks the same and saves power. */
const DRIFT_FRAME_MS = 25;
/** After a rest the first frame counts as this long, so that lights swell and do not jump. */
const FIRST_FRAME_MS = 16;
const LONGEST_FRAME_MS = 100;

export interface GraphHost {
  canvas: HTMLCanvasElement;
  labels: HTMLElement;
  /** The part of the window that no panel covers. */
  stage: HTMLElement;
  /** On a small screen it lies over the top of the stage. */
  bar: HTMLElement;
  /** Lies on the stage; labels keep off it. */
  tools: HTMLElement;
  /** Called with false when the browser takes WebGL away, with true when it is back. */
  drawable(may: boolean): void;
  /** Where the small map is drawn. */
  corner: HTMLCanvasElement;
  /** The pointer is over the name of a district of the map, whose box is given; null: it is not. */
  overDistrict: (district: number | null, box: Box | null) => void;
}

export class Graph {
  private readonly surface: Surface;
  private readonly nodes = new NodeCloud();
  /** What has a place; its height is scaled as the storeys fold. */
  private readonly world = new Group();
  private readonly web = new Web((into) => this.session.links.select(this.linkFloor, this.lights.firing, into)); // prettier-ignore
  private readonly kin = new Web((into) => this.chart.selectKin(into), KIN);
  private readonly chart: MapView;
  private readonly lights = new Lights();
  private readonly loop = new FrameLoop((now) => this.frame(now));
  readonly gaze: Gaze;
  private readonly rig: CameraRig;
  private readonly placing: Placing;
  private readonly projector: Projector;
  private readonly captions: Captions;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");
  private session;
  private sourceIds: readonly string[] = [];
  private linkFloor = 0;
  private shown = 0;
  private knownExtent: Extent | null = null;
  private lastFrame = 0;
  private settled = false;
  /** The canvas does not show yet what has changed. */
  private stale = true;
  /** What lies on the stage; names keep off it. */
  private over: Box[] = [];
  private stage: Box = { left: 0, top: 0, width: 1, height: 1 };

  /** Throws where there is no WebGL. */
  constructor(
    private readonly host: GraphHost,
    private readonly store: Store,
  ) {
    this.session = store.session;
    this.world.add(this.web.drawn.lines, this.kin.drawn.lines, ...this.nodes.meshes);
    this.rig = new CameraRig(host.canvas, () => this.redraw());
    this.surface = new Surface(host.canvas, this.rig.camera, (may) => {
      host.drawable(may);
      if (may) this.redraw();
    });
    this.surface.scene.add(this.world);
    this.placing = new Placing((indices) => this.place(indices));
    this.gaze = new Gaze(store, this.rig, this.placing, () => this.extent(), () => (this.chart.map ? NEAR : undefined)); // prettier-ignore
    this.projector = new Projector(this.rig, this.placing, this.lights, this.world);
    this.chart = new MapView({ ...host, store, world: this.world, rig: this.rig, placing: this.placing, projector: this.projector, lights: this.lights, hueOf: (index) => this.hue(index) }); // prettier-ignore
    this.captions = new Captions(new Labels(host.labels), store, this.lights, this.projector);
    new Hand({ ...host, store, rig: this.rig, projector: this.projector, chart: this.chart, names: this.captions.labels }); // prettier-ignore
    this.resize();
    watchLook([host.stage, host.bar], this.resize, () => {
      this.look();
      this.redraw();
    });
    follow(this.sync);
    follow(() => {
      this.chart.showChosen();
      this.redraw();
    });
    // A hover asks for its ring and its name alone, also where the name has just come.
    follow(() => {
      this.gaze.stir(store.hovered);
      this.chart.silent();
      this.wake();
    });
  }

  /** Shows everything, from the direction in which the camera stands. */
  fit(): void {
    this.rig.fit(this.extent(), performance.now(), true);
  }

  /** Back to the first view. */
  reset(): void {
    this.rig.reset(this.extent(), performance.now());
  }

  /** Where the camera stands and what it looks at. */
  pose(): Pose {
    return this.rig.pose;
  }

  /** The camera glides to a pose; under reduced motion it jumps. */
  setPose(pose: Pose): void {
    this.rig.takePose(pose, performance.now());
  }

  /** Tells the pose when the user has moved the camera, at most five times a second. */
  onPose(listener: (pose: Pose) => void): void {
    this.rig.onPose(listener);
  }

  /** The graph as it is now, with its labels, what its hues mean, and what it was made from. */
  picture(kind: PictureKind): Promise<Blob> {
    const { stage, store, surface } = this;
    const graph = surface.shoot(stage, across(kind, stage), () => this.draw(this.extent()));
    const captions = [...this.captions.labels.captions(), ...this.chart.captions()];
    return compose(subjectOf(store, graph, stage, captions), kind);
  }

  /** Every node on show, with its place on the canvas. */
  onScreen(): OnScreen[] {
    return Array.from(this.projector.all(), (spot) => ({ ...spot }));
  }

  /** Where a feature stands in the world: x, height, z. */
  placeOf(index: number): number[] {
    return [...this.placing.places.subarray(3 * index, 3 * index + 3)];
  }

  get statistics(): GraphStatistics {
    const { statistics } = this.loop;
    return {
      nodes: this.placing.count,
      links: this.web.count,
      drawCalls: this.surface.calls,
      points: this.chart.map?.size ?? 0,
      sent: this.nodes.sent + this.web.drawn.sent + this.kin.drawn.sent,
      atRest: this.settled && this.placing.count === this.session.features.length,
      frames: statistics.frames,
      framesPerSecond: statistics.perSecond(performance.now()),
      frameMs: statistics.quantile(0.5),
      frameMsP95: statistics.quantile(0.95),
    };
  }

  private redraw(): void {
    this.stale = true;
    this.wake();
  }

  /** Names are looked at again; the canvas may stay as it is. */
  private wake(): void {
    this.settled = false;
    this.captions.changed();
    this.loop.wake();
  }

  private readonly sync = (): void => {
    if (this.session !== this.store.session) this.restart();
    this.updateSources();
    this.takeMap();
    this.nodes.count = this.session.features.length;
    this.lights.aim(this.store);
    this.takeEvidence();
    this.placing.request(this.session, this.sourceIds);
    this.gaze.go();
    this.gaze.stir(untracked(() => this.store.hovered));
    this.redraw();
  };

  /** Evidence is weighed anew after tokens, and at once when the slider moves. */
  private takeEvidence(): void {
    const { linkFloor, playhead } = this.store;
    const shown = playhead.at;
    if (shown !== this.shown || linkFloor !== this.linkFloor) {
      this.web.changed(linkFloor !== this.linkFloor);
    }
    this.shown = shown;
    this.linkFloor = linkFloor;
  }

  private restart(): void {
    this.session = this.store.session;
    this.gaze.restart();
    this.knownExtent = null;
    this.rig.free = true;
    this.placing.restart();
    this.lights.restart();
    this.web.restart();
    this.kin.restart();
  }

  /** All sources the page knows, in the order that gives them hue and storey. */
  private updateSources(): void {
    const sources = this.store.sourceIds();
    if (sources === this.sourceIds) return;
    this.sourceIds = sources;
    // The storeys have changed: all features are placed anew.
    this.placing.restart();
  }

  /** Shows the map, if there is one, or another than before; and what of it is on show. */
  private takeMap(): void {
    const { map, hidden } = this.store;
    const now = performance.now();
    if (this.chart.take(map)) {
      this.rig.chart(map !== null);
      this.web.shine = map ? MAPPED : FOUND;
      this.placing.use(map, this.session, now);
      this.knownExtent = null;
      this.look();
      if (this.rig.free) this.rig.reset(this.extent(), now, false);
    }
    if (this.chart.show(hidden, now)) this.knownExtent = null;
  }

  /** Takes the theme's colours. */
  private look(): void {
    const [day, onMap] = [isDay(), this.chart.map !== null];
    this.surface.paint();
    this.nodes.setLook(day, onMap);
    this.projector.scale = onMap ? ON_MAP : 1;
    for (const web of [this.web, this.kin]) web.drawn.setLook(day);
    this.chart.paint();
  }

  /** The storeys fold, or features glide to the map; returns whether anything moved. */
  private shift(now: number): boolean {
    const folded = this.chart.step(now, this.still.matches);
    if (!this.placing.step(now, this.still.matches)) return folded;
    for (let i = 0; i < this.nodes.count; i += 1) this.nodes.putPlace(i, this.placing.places);
    for (const web of [this.web, this.kin]) web.move(this.placing);
    return true;
  }

  private hue(index: number): Rgb {
    return hueAmong(this.sourceIds, this.session.features[index]?.source ?? "");
  }

  private place(indices: readonly number[]): void {
    this.knownExtent = null;
    const { places } = this.placing;
    for (const i of indices) {
      this.nodes.putPlace(i, places);
      this.nodes.setHue(i, this.hue(i));
      this.lights.fire(i);
    }
    this.web.changed();
    this.kin.changed();
    this.placing.request(this.session, this.sourceIds);
    this.gaze.go();
    this.redraw();
  }

  /** Draws one frame; returns when the next one is due, see FrameLoop. */
  private frame(now: number): number {
    const passed = now - this.lastFrame;
    this.lastFrame = now;
    this.settled = true;
    const step =
      passed > 4 * LONGEST_FRAME_MS ? FIRST_FRAME_MS : Math.min(passed, LONGEST_FRAME_MS);
    const motion = this.rig.update(now, this.store.chosen === null);
    const lit = this.lights.step(step, this.still.matches);
    const shifted = this.shift(now);
    if (lit || shifted || motion === "moving") this.captions.changed();
    this.captions.few = this.chart.isOverview;
    const woven = [this.web, this.kin].filter((web) => web.refresh(this.placing, now)).length > 0;
    const extent = this.extent();
    if (this.rig.free && this.rig.misfits(extent)) this.rig.fit(extent, now);
    const drawn = this.stale || lit || woven || shifted || motion !== "still";
    if (drawn) this.draw(extent);
    this.captions.draw(now);
    this.chart.name(this.stage, [...this.over, ...this.captions.labels.boxes], drawn);
    const moving = motion === "moving" || shifted || !this.lights.isSettled;
    const parts = [this.captions, this.web, this.kin, this.rig];
    const due = moving ? 0 : Math.min(...parts.map((part) => part.due(now)));
    this.settled &&= due === Infinity;
    return motion === "drifting" ? Math.min(DRIFT_FRAME_MS, due) : due;
  }

  private draw(extent: Extent): void {
    this.stale = false;
    this.light();
    const [{ radius }, { distance }] = [extent, this.rig];
    const [near, far] = [distance - radius, distance + 1.2 * radius];
    this.nodes.setView(this.rig.pixel, near, far);
    this.chart.setView(this.rig.pixel, near, far, this.surface.ratio);
    this.surface.render();
  }

  /** Writes only the lights that have changed; a turn of the camera changes none. */
  private light(): void {
    const { glow, pulse, fresh, touched, touchedCount } = this.lights;
    for (let k = 0; k < touchedCount; k += 1) {
      const i = touched[k] ?? 0;
      const light = this.placing.has(i) ? (glow[i] ?? 0) : -1;
      this.nodes.setLight(i, light, pulse[i] ?? 0, fresh[i] ?? 0);
    }
    this.nodes.send();
    for (const web of [this.web, this.kin]) web.light(this.lights, this.nodes.hues);
  }

  private extent(): Extent {
    const { placing, session } = this;
    const placed = () => session.features.flatMap(({ index: i }) => (placing.has(i) ? [i] : []));
    return (this.knownExtent ??= this.chart.extent() ?? extentOf(placing.places, placed()));
  }

  private readonly resize = (): void => {
    const { canvas, stage, bar, tools } = this.host;
    const { width, height } = this.surface.size;
    this.stage = below(within(stage, canvas), within(bar, canvas));
    this.rig.resize(width, height, this.stage);
    this.surface.resize();
    this.projector.resize(width, height);
    const over = [tools, ...(tools.parentElement?.children ?? []), ...bar.children];
    this.over = over
      .filter((element) => element.checkVisibility() && element !== stage)
      .map((element) => within(element, canvas));
    this.captions.resize(this.stage, this.over);
    this.chart.resize();
    if (this.rig.free) this.rig.fit(this.extent(), performance.now());
    this.redraw();
  };
}
