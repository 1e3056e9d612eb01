/** What the map adds to the picture: its storeys, the dust of all features, a column of kin. */
import { type Group, type PerspectiveCamera, Matrix4 } from "three";
import { type FeatureMap, WIDTH } from "../../state/map";
import { SPAN } from "../../wire/map";
import { isDay, rgbOf, themed } from "../palette";
import { LinkLines } from "../threads";
import { Dust } from "./dust";
import { Grid, type Project } from "./grid";
import { Hues } from "./hues";
import { Storeys } from "./storeys";

/** A column of kin has at most as many threads as there are storeys. */
const MOST_THREADS = 64;
/** Light of the threads of the chosen feature's column: it shows where kin are, not that they fire. */
const COLUMN = 0.34;
/** Pixels within which a silent feature is found. */
const REACH = 6;

export class MapScene {
  readonly dust: Dust;
  readonly storeys: Storeys;
  hues: Hues;
  private readonly column = new LinkLines(MOST_THREADS);
  private built: Grid | null = null;

  constructor(
    readonly map: FeatureMap,
    private readonly world: Group,
  ) {
    this.dust = new Dust(map);
    this.storeys = new Storeys(map);
    this.hues = new Hues(map, isDay());
    this.dust.points.renderOrder = -1;
    world.add(this.storeys.mesh, this.dust.points, this.column.lines);
    this.column.count = 0;
    this.paint();
  }

  /** Takes the theme's colours. */
  paint(): void {
    this.hues = new Hues(this.map, isDay());
    this.dust.paint(this.hues);
    this.storeys.paint(this.hues, rgbOf(themed("quiet")));
    this.column.setLook(this.hues.day);
  }

  setView(pixel: number, near: number, far: number, ratio: number, lift: number): void {
    this.dust.setView(pixel, near, far, ratio);
    // Folded, the clouds of all storeys lie over one another.
    this.storeys.setView(near, far, lift + (1 - lift) * (1 / this.map.storeys));
  }

  /** Draws the threads between a feature and its kin through all storeys; -1 for none. */
  showColumn(number: number): void {
    const column = number < 0 ? [] : this.map.columnOf(number).slice(0, MOST_THREADS + 1);
    const places = Float32Array.from(column.flatMap((at) => this.map.placeOf(at)));
    const ink = rgbOf(themed("ink")).map((part) => part / 255);
    const hues = Float32Array.from(column.flatMap(() => ink));
    this.column.count = Math.max(0, column.length - 1);
    for (let i = 0; i + 1 < column.length; i += 1) {
      this.column.setEnds(i, places, i, i + 1);
      this.column.setLight(i, COLUMN, hues, i, i + 1);
    }
    this.column.send();
  }

  /** The feature at a point of the canvas; null for none. */
  at(
    point: { x: number; y: number },
    project: Project,
    passes: (number: number) => boolean,
  ): number | null {
    this.built ??= new Grid(this.map);
    return this.built.nearest(point, REACH, project, passes);
  }

  dispose(): void {
    this.world.remove(this.storeys.mesh, this.dust.points, this.column.lines);
    this.dust.dispose();
    this.storeys.dispose();
    this.column.dispose();
  }
}

/** How places of the map are projected to a canvas of this size; `lift` is the height of the world's storeys. */
export function projectionOf(
  map: FeatureMap,
  camera: PerspectiveCamera,
  lift: number,
  width: number,
  height: number,
): Project {
  const { elements: m } = new Matrix4().multiplyMatrices(
    camera.projectionMatrix,
    camera.matrixWorldInverse,
  );
  const levels = Array.from({ length: map.storeys }, (_, storey) => lift * map.levelOf(storey));
  const at = (row: number, x: number, y: number, z: number): number =>
    (m[row] ?? 0) * x + (m[row + 4] ?? 0) * y + (m[row + 8] ?? 0) * z + (m[row + 12] ?? 0);
  return (mapX, mapY, storey, into) => {
    const [x, z] = [(mapX / SPAN - 0.5) * WIDTH, (mapY / SPAN - 0.5) * WIDTH];
    const y = levels[storey] ?? 0;
    const w = at(3, x, y, z);
    if (w <= 0) return false;
    into[0] = ((at(0, x, y, z) / w + 1) / 2) * width;
    into[1] = ((1 - at(1, x, y, z) / w) / 2) * height;
    return true;
  };
}
