/** The graph: puts nodes, links, labels and camera together; draws only if something changed. */
import { ColorManagement, LinearSRGBColorSpace, Scene, Vector2, WebGLRenderer } from "three";
import type { FeatureKey } from "../state/feature";
import { follow, untracked } from "../state/signals";
import type { Store } from "../state/store";
import type { Pose } from "../state/view";
import { CameraRig, type Extent, extentOf } from "./camera";
import { Gaze } from "./gaze";
import { Lights } from "./lights";
import { FrameLoop, type GraphStatistics } from "./loop";
import { Placing } from "./map/placing";
import { Captions } from "./names/choose";
import { Labels } from "./names/draw";
import { below, type Box, within } from "./names/place";
import { NodeCloud } from "./nodes";
import { hueAmong, type Rgb, themed } from "./palette";
import { listen, nearest, type OnScreen, Projector } from "./pick";
import { compose } from "./picture";
import { Web } from "./threads";

// Colours are given as the screen shows them: no conversion.
ColorManagement.enabled = false;

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
}

export class Graph {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly nodes = new NodeCloud();
  private readonly web = new Web();
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
  private tokens = 0;
  private knownExtent: Extent | null = null;
  private lastFrame = 0;
  private settled = false;
  /** The canvas does not show yet what has changed. */
  private stale = true;
  private stage: Box = { left: 0, top: 0, width: 1, height: 1 };

  /** Throws where there is no WebGL. */
  constructor(
    private readonly host: GraphHost,
    private readonly store: Store,
  ) {
    this.session = store.session;
    this.renderer = new WebGLRenderer({ canvas: host.canvas, antialias: true });
    this.renderer.outputColorSpace = LinearSRGBColorSpace;
    this.renderer.setClearColor(themed("ground"), 1);
    this.scene.add(this.web.drawn.lines, ...this.nodes.meshes);
    this.rig = new CameraRig(host.canvas, () => this.redraw());
    this.placing = new Placing((indices) => this.place(indices));
    this.gaze = new Gaze(store, this.rig, this.placing, () => this.extent());
    this.projector = new Projector(this.rig, this.placing, this.lights);
    this.captions = new Captions(new Labels(host.labels), store, this.lights, this.projector);
    this.listen();
    this.resize();
    follow(this.sync);
    // A hover asks for its ring and its name alone.
    follow(() => {
      this.gaze.stir(store.hovered);
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

  /** The graph as it is now, with its labels and what its hues mean: a PNG. */
  picture(): Promise<Blob> {
    const { run, tokens } = this.session;
    // The browser keeps a drawing only until it shows it: draw again, so that it can be read.
    this.renderer.render(this.scene, this.rig.camera);
    return compose({
      canvas: this.host.canvas,
      stage: this.stage,
      ratio: this.renderer.getPixelRatio(),
      captions: this.captions.labels.captions(),
      title: run ? `${run.model}: ${run.prompt}` : "",
      text: tokens.map(({ text }) => text.replaceAll("\n", " ")).join(""),
      sources: this.sourceIds
        .map((name) => ({ name, hue: hueAmong(this.sourceIds, name) }))
        .filter(({ name }) => this.store.shows(name)),
    });
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
      drawCalls: this.renderer.info.render.calls,
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
    const { linkFloor, session } = this.store;
    const tokens = session.tokens.length;
    if (tokens !== this.tokens || linkFloor !== this.linkFloor) {
      this.web.changed(linkFloor !== this.linkFloor);
    }
    this.tokens = tokens;
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
  }

  /** All sources the page knows, in the order that gives them hue and storey. */
  private updateSources(): void {
    const sources = this.store.sourceIds();
    if (sources === this.sourceIds) return;
    this.sourceIds = sources;
    // The storeys have changed: all features are placed anew.
    this.placing.restart();
  }

  private hue(index: number): Rgb {
    return hueAmong(this.sourceIds, this.session.features[index]?.source ?? "");
  }

  private place(indices: readonly number[]): void {
    this.knownExtent = null;
    const { places } = this.placing;
    for (const i of indices) {
      this.nodes.setPlace(i, places[3 * i] ?? 0, places[3 * i + 1] ?? 0, places[3 * i + 2] ?? 0);
      this.nodes.setHue(i, this.hue(i));
      this.lights.fire(i);
    }
    this.web.changed();
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
    if (lit || motion === "moving") this.captions.changed();
    const woven = this.web.refresh(this.session, this.linkFloor, this.placing, now);
    const extent = this.extent();
    if (this.rig.free && this.rig.misfits(extent)) this.rig.fit(extent, now);
    if (this.stale || lit || woven || motion !== "still") this.draw(extent);
    this.captions.draw(now);
    const moving = motion === "moving" || !this.lights.isSettled;
    const due = moving ? 0 : Math.min(this.captions.due(now), this.web.due(now));
    this.settled &&= due === Infinity;
    return motion === "drifting" ? Math.min(DRIFT_FRAME_MS, due) : due;
  }

  private draw(extent: Extent): void {
    this.stale = false;
    this.light();
    const { radius } = extent;
    const { distance } = this.rig;
    this.nodes.setView(this.rig.pixel, distance - radius, distance + 1.2 * radius);
    this.renderer.render(this.scene, this.rig.camera);
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
    this.web.light(this.lights, this.nodes.hues, this.store.chosen?.index ?? null);
  }

  private extent(): Extent {
    if (this.knownExtent) return this.knownExtent;
    const indices = this.session.features.flatMap(({ index }) =>
      this.placing.has(index) ? [index] : [],
    );
    this.knownExtent = extentOf(this.placing.places, indices);
    return this.knownExtent;
  }

  private listen(): void {
    const { canvas, stage, bar } = this.host;
    // What was pressed is chosen: the picture may change before the release.
    let pressed: FeatureKey | null = null;
    listen(canvas, {
      press: (x, y) => {
        pressed = this.keyOf(this.under(x, y));
      },
      tap: () => this.store.choose(pressed),
      over: (at) => {
        this.rig.stir(performance.now());
        this.hover(at && this.under(at.x, at.y));
      },
    });
    stage.addEventListener("keydown", (event) => {
      if (event.target === stage && this.rig.key(event.key)) event.preventDefault();
    });
    canvas.addEventListener("webglcontextlost", () => this.host.drawable(false));
    canvas.addEventListener("webglcontextrestored", () => {
      this.host.drawable(true);
      this.redraw();
    });
    const resize = (): void => {
      this.resize();
    };
    const observer = new ResizeObserver(resize);
    for (const element of [stage, bar]) observer.observe(element);
    addEventListener("resize", resize);
    void document.fonts.ready.then(resize);
  }

  /** The node whose label is at a point of the canvas, else the node that is there. */
  private under(x: number, y: number): number | null {
    return this.captions.labels.at(x, y) ?? nearest(this.projector.all(), x, y);
  }

  private hover(index: number | null): void {
    this.host.canvas.style.cursor = index === null ? "" : "pointer";
    this.store.hover(this.keyOf(index));
  }

  private keyOf(index: number | null): FeatureKey | null {
    return index === null ? null : (this.session.features[index]?.key ?? null);
  }

  private resize(): void {
    const { canvas, stage, bar, tools } = this.host;
    const width = Math.max(1, canvas.clientWidth);
    const height = Math.max(1, canvas.clientHeight);
    this.stage = below(within(stage, canvas), within(bar, canvas));
    this.rig.resize(width, height, this.stage);
    this.resizeCanvas(width, height);
    this.projector.resize(width, height);
    const over = [tools, ...bar.children].filter((element) => element.checkVisibility());
    this.captions.resize(
      this.stage,
      over.map((element) => within(element, canvas)),
    );
    if (this.rig.free) this.rig.fit(this.extent(), performance.now());
    this.redraw();
  }

  /** A change of its size empties a canvas: it is drawn at once, or it would flicker. */
  private resizeCanvas(width: number, height: number): void {
    const ratio = Math.min(2, devicePixelRatio);
    const size = this.renderer.getSize(new Vector2());
    if (size.x === width && size.y === height && this.renderer.getPixelRatio() === ratio) return;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.renderer.render(this.scene, this.rig.camera);
  }
}
