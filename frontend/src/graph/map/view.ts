/** The map on show: taken up, folded, named, asked what is where; the graph draws what fires over it. */
import { type Group, Vector3 } from "three";
import type { LinkSet } from "../../state/evidence";
import { cutKey, type FeatureKey } from "../../state/feature";
import { type FeatureMap, WIDTH } from "../../state/map";
import type { Store } from "../../state/store";
import type { CameraRig } from "../camera";
import type { Extent } from "../extent";
import type { Lights } from "../lights";
import type { Caption } from "../names/draw";
import { MapNames, type Silent } from "../names/map";
import type { Box } from "../names/place";
import type { Rgb } from "../palette";
import type { Projector } from "../pick";
import { Corner } from "./corner";
import type { Placing } from "./placing";
import { MapScene, projectionOf } from "./scene";

/** Time in which the storeys fold into one plane, or unfold. */
const FOLD_MS = 900;
/** Share of the distance that shows all of the map from which a feature of it is looked at. */
export const NEAR = 0.34;
/** From this share on the camera sees all of the map: districts are named above it. */
const OVERVIEW = 0.62;
/** A narrower window shows the map from above, if nobody has chosen. */
const PHONE = 760;
/** Light from which the small map shows what fires. */
const LIT = 0.25;
/** Room around the map, as a share of its width. */
const AROUND = { flat: 0.54, space: 0.55 } as const;

/** What of the graph the map needs. */
export interface Parts {
  store: Store;
  world: Group;
  rig: CameraRig;
  placing: Placing;
  projector: Projector;
  lights: Lights;
  labels: HTMLElement;
  corner: HTMLCanvasElement;
  hueOf: (index: number) => Rgb;
}

export class MapView {
  private readonly names: MapNames;
  private readonly corner: Corner;
  private scene: MapScene | null = null;
  private fold: { from: number; to: number; start: number } | null = null;

  constructor(private readonly parts: Parts) {
    this.names = new MapNames(parts.labels);
    this.corner = new Corner(parts.corner, (x, z) => this.goTo(x, z, 0.9 * OVERVIEW));
  }

  get map(): FeatureMap | null {
    return this.scene?.map ?? null;
  }

  /** Whether the camera sees about all of the map. */
  get isOverview(): boolean {
    const { rig } = this.parts;
    const extent = this.extent();
    return extent !== null && rig.distance > OVERVIEW * rig.fittingNow(extent);
  }

  /** Shows another map than before, or none; returns whether it is another. */
  take(map: FeatureMap | null): boolean {
    if (map === this.map) return false;
    this.scene?.dispose();
    this.names.clear();
    this.scene = map && new MapScene(map, this.parts.world);
    return true;
  }

  /** Takes the theme's colours. */
  paint(): void {
    this.scene?.paint();
    this.corner.show(this.map, this.scene?.hues ?? null);
  }

  /** Shows what is switched on of it, and folds or unfolds it; returns whether that begins now. */
  show(hidden: ReadonlySet<string>, now: number): boolean {
    const { store, world, rig } = this.parts;
    this.scene?.dust.show((source) => !hidden.has(source));
    const flat = this.map !== null && (store.flat ?? innerWidth < PHONE);
    const to = flat ? 0 : 1;
    if ((this.fold?.to ?? Math.round(world.scale.y)) === to) return false;
    this.fold = { from: world.scale.y, to, start: now };
    const extent = this.extent();
    if (extent) rig.setFlat(flat, extent, now);
    return true;
  }

  /** Goes on folding; returns whether anything moved. */
  step(now: number, still: boolean): boolean {
    const { fold } = this;
    if (!fold) return false;
    const t = still ? 1 : Math.min(1, (now - fold.start) / FOLD_MS);
    const { scale } = this.parts.world;
    scale.y = Math.max(1e-4, fold.from + (fold.to - fold.from) * t * t * (3 - 2 * t));
    if (t >= 1) this.fold = null;
    return true;
  }

  private get isFlat(): boolean {
    return (this.fold?.to ?? this.parts.world.scale.y) < 0.5;
  }

  /** All of the map; null without one. */
  extent(): Extent | null {
    const { map, isFlat } = this;
    if (!map) return null;
    const top = map.levelOf(map.storeys - 1);
    const radius = AROUND[isFlat ? "flat" : "space"] * WIDTH;
    return { centre: new Vector3(), radius, halfHeight: isFlat ? 1 : Math.max(20, top + 12) };
  }

  /** Draws the column of the chosen feature, and stresses where those like it are. */
  showChosen(): void {
    const { scene } = this;
    const { chosen, alike } = this.parts.store;
    if (!scene) return;
    const { map } = scene;
    const number = chosen ? map.numberOf(chosen.source, chosen.id) : -1;
    scene.showColumn(number);
    const place = alike.length > 0 && number >= 0 ? new Vector3(...map.placeOf(number)) : null;
    const far = alike.map((key) => {
      const other = new Vector3(...map.placeOf(map.numberOf(...cutKey(key))));
      return place?.distanceTo(other) ?? 0;
    });
    scene.dust.stress(place, 1.25 * Math.max(2, ...far));
  }

  setView(pixel: number, near: number, far: number, ratio: number): void {
    this.scene?.setView(pixel, near, far, ratio, this.parts.world.scale.y);
  }

  /** Writes the names that have room beside what is `taken`; `moved`: the picture has changed. */
  name(stage: Box, taken: readonly Box[], moved: boolean): void {
    const { scene } = this;
    if (!scene) return;
    const { projector, rig, world } = this.parts;
    const locate = (x: number, y: number, z: number) => projector.locate(x, y, z);
    const focus = this.focus();
    const boxes = [...taken, ...projector.bright()];
    this.names.draw(scene, this.silent(), locate, focus, this.isFlat, stage, boxes);
    if (moved) this.corner.draw(rig, stage, focus * world.scale.y, this.lit());
  }

  /** The map's names on show, for the exported picture. */
  captions(): Caption[] {
    return this.names.captions();
  }

  /** Sizes of names depend on the window. */
  resize(): void {
    this.names.clear();
  }

  /** The silent feature at a point of the canvas. */
  at(x: number, y: number): FeatureKey | null {
    const { scene } = this;
    if (!scene) return null;
    const { map } = scene;
    const { rig, world, projector, store, placing } = this.parts;
    const { width, height } = projector;
    const project = projectionOf(map, rig.camera, world.scale.y, width, height);
    const shown = (number: number): boolean =>
      placing.indexOf(number) < 0 && store.shows(map.sourceOf(number)?.id ?? "");
    const number = scene.at({ x, y }, project, shown);
    return number === null ? null : map.keyOf(number);
  }

  /** The district whose name is at a point of the canvas. */
  districtAt(x: number, y: number): { district: number; box: Box } | null {
    return this.scene && this.names.at(x, y);
  }

  /** Flies to a district. */
  visit(district: number): void {
    const found = this.map?.file.districts[district];
    if (!this.map || !found) return;
    const { x, z, radius } = this.map.siteOf(found);
    this.goTo(x, z, Math.min(NEAR, (4 * radius) / WIDTH));
  }

  /** Threads between features that have fired and their kin one storey higher. */
  selectKin(into: LinkSet): void {
    const { map } = this;
    const { placing, store } = this.parts;
    into.count = 0;
    if (!map) return;
    for (const { index } of store.session.features) {
      const number = placing.numberOf(index);
      const above = number < 0 ? -1 : map.kinOf(number).above;
      const other = above < 0 ? -1 : placing.indexOf(above);
      if (other < 0 || into.count === into.capacity) continue;
      into.a[into.count] = index;
      into.b[into.count] = other;
      into.weight[into.count] = 1;
      into.count += 1;
    }
  }

  /** Features that do not fire here and are looked at: they have a ring and a name, and no light. */
  silent(): Silent[] {
    const { map } = this;
    const { store } = this.parts;
    const { wanted, hovered, alike, session } = store;
    return [...new Set([wanted, hovered, ...alike])].flatMap((key): Silent[] => {
      if (key === null || session.feature(key)) return [];
      const [source, id] = cutKey(key);
      const number = map?.numberOf(source, id) ?? -1;
      const text = store.labelOf(key) ?? `#${id}`;
      return number < 0 ? [] : [{ number, text, chosen: key === wanted }];
    });
  }

  /** The height at which districts are named: above everything, or on the storey that is near. */
  private focus(): number {
    const { map } = this;
    if (!map) return 0;
    if (this.isOverview) return map.levelOf(map.storeys - 1);
    const storey = Math.round(this.parts.rig.pose.target[1] / map.rise + (map.storeys - 1) / 2);
    return map.levelOf(Math.min(map.storeys - 1, Math.max(0, storey)));
  }

  /** Flies to a place of the plane, to a share of the distance that shows everything. */
  private goTo(x: number, z: number, share: number): void {
    const extent = this.extent();
    if (extent)
      this.parts.rig.visit(new Vector3(x, this.focus(), z), extent, performance.now(), share);
  }

  /** What fires at the token on show: place in the plane, light and hue. */
  private *lit(): Generator<[x: number, z: number, light: number, hue: Rgb]> {
    const { lights, placing, hueOf } = this.parts;
    const { places } = placing;
    for (const i of lights.above(LIT)) {
      yield [places[3 * i] ?? 0, places[3 * i + 2] ?? 0, lights.target[i] ?? 0, hueOf(i)];
    }
  }
}
