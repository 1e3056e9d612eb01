/** The graph: puts nodes, links, labels and camera together and draws only when something changed. */
import { ColorManagement, LinearSRGBColorSpace, Scene, Vector3, WebGLRenderer } from "three";
import type { Store } from "../session/store";
import { CameraRig, type Extent } from "./camera";
import { extentOf } from "./extent";
import { Labels } from "./labels";
import { Lights } from "./lights";
import { NAMED_FROM, nameNodes } from "./naming";
import { NodeCloud } from "./nodes";
import { hueOf, type Rgb } from "./palette";
import { nearest, type OnScreen, project } from "./pick";
import { Placing } from "./placing";
import type { Box } from "./placement";
import { Web } from "./web";

// Colours are given as the screen shows them; nothing is to be converted on the way.
ColorManagement.enabled = false;

/** Labels rather do not hide nodes at least this bright. */
const BRIGHT = 0.5;
/** A drifting picture is drawn half as often: nobody sees it, the battery does. */
const DRIFT_FRAME_MS = 32;

export interface GraphHost {
  canvas: HTMLCanvasElement;
  labels: HTMLElement;
  /** The part of the window that no panel covers. */
  stage: HTMLElement;
}

export class Graph {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly nodes = new NodeCloud();
  private readonly web = new Web();
  private readonly lights = new Lights();
  private readonly rig: CameraRig;
  private readonly labels: Labels;
  private readonly placing: Placing;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");
  private session;
  private sourceIds: string[] = [];
  private firedAt = { runs: 0, tokens: 0 };
  private hovered: number | null = null;
  private knownExtent: Extent | null = null;
  private visited: number | null = null;
  private dirty = true;
  private lastFrame = 0;
  private stage: Box = { left: 0, top: 0, width: 1, height: 1 };

  constructor(
    private readonly host: GraphHost,
    private readonly store: Store,
  ) {
    this.session = store.session;
    this.renderer = new WebGLRenderer({ canvas: host.canvas, antialias: true });
    this.renderer.outputColorSpace = LinearSRGBColorSpace;
    this.renderer.setClearColor(0x0a0c10, 1);
    this.scene.add(this.web.drawn.lines, this.nodes.mesh);
    this.rig = new CameraRig(host.canvas, () => (this.dirty = true));
    this.labels = new Labels(host.labels, (index) => {
      this.choose(index);
    });
    this.placing = new Placing((indices) => {
      this.place(indices);
    });
    new ResizeObserver(() => {
      this.resize();
    }).observe(host.stage);
    addEventListener("resize", () => {
      this.resize();
    });
    this.resize();
    void document.fonts.ready.then(() => {
      this.labels.forgetSizes();
      this.dirty = true;
    });
    this.listen();
    store.subscribe(() => {
      this.sync();
    });
    requestAnimationFrame(this.frame);
  }

  fit(): void {
    this.rig.fit(this.extent(), performance.now());
    this.dirty = true;
  }

  reset(): void {
    this.rig.reset(this.extent(), performance.now());
    this.dirty = true;
  }

  /** Flies to a feature that has a place. */
  private visit(index: number): void {
    if (!this.placing.has(index)) return;
    const place = new Vector3().fromArray(this.placing.places, 3 * index);
    this.rig.visit(place, this.extent(), performance.now());
    this.dirty = true;
  }

  /** Every visible node where it is on the page, or only those that a filter lets through. */
  onScreen(wanted: (index: number, glow: number) => boolean = () => true): OnScreen[] {
    const { width, height } = this.size();
    return this.session.features.flatMap(({ index }) => {
      const glow = this.lights.glow[index] ?? -1;
      if (glow < 0 || !this.placing.has(index) || !wanted(index, glow)) return [];
      const { camera, pixel } = this.rig;
      const node = project(index, this.placing.places, glow, camera, width, height, pixel);
      return node ? [node] : [];
    });
  }

  get statistics(): { nodes: number; links: number; drawCalls: number } {
    const drawCalls = this.renderer.info.render.calls;
    return { nodes: this.placing.count, links: this.web.count, drawCalls };
  }

  private sync(): void {
    if (this.session !== this.store.session) this.restart();
    const { session } = this.store;
    this.updateSources();
    this.nodes.count = session.features.length;
    this.lights.aim(this.store);
    this.fireNew();
    this.web.changed();
    this.placing.request(session, this.sourceIds);
    this.visitChosen();
    this.dirty = true;
  }

  /** The camera goes to a feature when it is chosen, and only then. */
  private visitChosen(): void {
    const chosen = this.store.chosen?.index ?? null;
    if (chosen === this.visited) return;
    this.visited = chosen;
    if (chosen !== null) this.visit(chosen);
  }

  private restart(): void {
    this.session = this.store.session;
    this.visited = null;
    this.knownExtent = null;
    this.rig.free = true;
    this.placing.restart();
    this.web.restart();
    this.hovered = null;
    this.firedAt = { runs: 0, tokens: 0 };
  }

  /** All sources the page knows, in the order that gives them hue and storey. */
  private updateSources(): void {
    const sources = this.store.sourceIds();
    if (sources.join() === this.sourceIds.join()) return;
    this.sourceIds = sources;
    for (const { index } of this.session.features) this.nodes.setHue(index, this.hue(index));
  }

  private hue = (index: number): Rgb => {
    const source = this.session.features[index]?.source ?? "";
    return hueOf(this.sourceIds.indexOf(source), this.sourceIds.length);
  };

  private fireNew(): void {
    const { runs, tokens } = this.session;
    if (runs !== this.firedAt.runs) this.firedAt = { runs, tokens: 0 };
    for (const token of tokens.slice(this.firedAt.tokens)) {
      for (const { feature } of token.active) this.lights.fire(feature.index);
    }
    this.firedAt.tokens = tokens.length;
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
    this.dirty = true;
  }

  private frame = (now: number): void => {
    requestAnimationFrame(this.frame);
    const passed = now - this.lastFrame;
    if (!this.dirty && passed < DRIFT_FRAME_MS) return;
    const drifting = this.rig.update(now, this.store.chosen === null);
    const lit = this.lights.step(Math.min(passed, 100), this.still.matches);
    this.lastFrame = now;
    if (!this.dirty && !drifting && !lit) return;
    this.dirty = false;
    this.draw(now, lit);
  };

  private draw(now: number, lit: boolean): void {
    const { places } = this.placing;
    const chosenAnew = this.web.refresh(this.session, places, (i) => this.placing.has(i), now);
    if (lit || chosenAnew) this.light();
    const extent = this.extent();
    if (this.rig.free && this.rig.misfits(extent)) this.fit();
    const { radius } = extent;
    const { distance } = this.rig;
    this.nodes.setView(this.rig.pixel, distance - radius, distance + 1.2 * radius);
    this.renderer.render(this.scene, this.rig.camera);
    if (this.label(now) || this.web.isStale) this.dirty = true;
  }

  /** Writes every node's and link's light; a turning camera needs none of it. */
  private light(): void {
    const { glow, pulse } = this.lights;
    for (const { index } of this.session.features) {
      const light = this.placing.has(index) ? (glow[index] ?? 0) : -1;
      this.nodes.setLight(index, light, pulse[index] ?? 0);
    }
    this.web.light(glow, this.hue, this.store.chosen?.index ?? null);
  }

  /** Draws labels; true while a choice among them is still due. */
  private label(now: number): boolean {
    const { glow } = this.lights;
    const attention = { chosen: this.store.chosen?.index ?? null, hovered: this.hovered };
    // Few are bright: with thousands of nodes, only those are worth projecting in every frame.
    const onScreen = this.onScreen(
      (index, light) =>
        light >= NAMED_FROM || index === attention.chosen || index === attention.hovered,
    );
    const named = nameNodes(onScreen, this.session.features, glow, attention);
    const bright = onScreen.filter(({ index }) => (glow[index] ?? 0) >= BRIGHT);
    const limit = this.stage.width < 500 ? 5 : 14;
    return this.labels.update(named, bright, this.stage, limit, now);
  }

  private extent(): Extent {
    if (this.knownExtent) return this.knownExtent;
    const placed = this.session.features.filter(({ index }) => this.placing.has(index));
    const indices = placed.map(({ index }) => index);
    this.knownExtent = extentOf(this.placing.places, indices);
    return this.knownExtent;
  }

  private listen(): void {
    const { canvas } = this.host;
    let down = { x: 0, y: 0 };
    canvas.addEventListener("pointerdown", ({ offsetX: x, offsetY: y }) => (down = { x, y }));
    canvas.addEventListener("pointerup", ({ offsetX: x, offsetY: y }) => {
      // A drag turns the picture; only a tap chooses.
      if (Math.hypot(x - down.x, y - down.y) > 5) return;
      const node = nearest(this.onScreen(), x, y);
      if (node) this.choose(node.index);
      else this.store.choose(null);
    });
    canvas.addEventListener("pointermove", ({ offsetX: x, offsetY: y, buttons }) => {
      if (buttons === 0) this.hover(nearest(this.onScreen(), x, y)?.index ?? null);
    });
    canvas.addEventListener("pointerleave", () => {
      this.hover(null);
    });
  }

  private hover(index: number | null): void {
    if (index === this.hovered) return;
    this.hovered = index;
    this.host.canvas.style.cursor = index === null ? "" : "pointer";
    this.dirty = true;
  }

  private choose(index: number): void {
    const feature = this.session.features[index];
    if (feature) this.store.choose(feature.key);
  }

  private size(): { width: number; height: number } {
    const { clientWidth, clientHeight } = this.host.canvas;
    return { width: Math.max(1, clientWidth), height: Math.max(1, clientHeight) };
  }

  private resize(): void {
    const { width, height } = this.size();
    const canvas = this.host.canvas.getBoundingClientRect();
    const stage = this.host.stage.getBoundingClientRect();
    this.stage = {
      left: stage.left - canvas.left,
      top: stage.top - canvas.top,
      width: Math.max(1, stage.width),
      height: Math.max(1, stage.height),
    };
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.renderer.setSize(width, height, false);
    this.rig.resize(width, height, this.stage);
    if (this.rig.free) this.fit();
    this.dirty = true;
  }
}
