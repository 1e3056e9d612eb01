/** A small map in the corner: the dust, what fires, and the part that the camera sees. */
import { type PerspectiveCamera, Vector3 } from "three";
import { type FeatureMap, WIDTH } from "../../state/map";
import { SPAN } from "../../wire/map";
import { penOf } from "../names/draw";
import type { Box } from "../names/place";
import { css, type Rgb, themed } from "../palette";
import type { Hues } from "./hues";

/** Most points drawn: more than these cannot be told apart on it. */
const MOST_POINTS = 12_000;
const MARGIN = 0.06;

export interface Seen {
  camera: PerspectiveCamera;
  /** The canvas, in CSS pixels. */
  size: { width: number; height: number };
}

export class Corner {
  private readonly pen: CanvasRenderingContext2D;
  private readonly dust = document.createElement("canvas");
  private readonly ratio = Math.min(2, devicePixelRatio);

  /** `go` is called with the place of the plane that was pressed. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    go: (x: number, z: number) => void,
  ) {
    this.pen = penOf(canvas);
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      const [x, z] = [offsetX / canvas.clientWidth, offsetY / canvas.clientHeight];
      const world = (share: number): number => ((share - MARGIN) / (1 - 2 * MARGIN) - 0.5) * WIDTH;
      go(world(x), world(z));
    });
  }

  /** Draws the dust, once for a map and a theme; without a map there is nothing to show. */
  show(map: FeatureMap | null, hues: Hues | null): void {
    this.canvas.hidden = map === null;
    if (!map || !hues) return;
    const side = Math.round((this.canvas.clientWidth || 132) * this.ratio);
    for (const canvas of [this.canvas, this.dust]) canvas.width = canvas.height = side;
    const pen = penOf(this.dust);
    pen.globalAlpha = hues.day ? 0.5 : 0.42;
    const { x, y } = map.file;
    const step = Math.max(1, Math.ceil(map.size / MOST_POINTS));
    hues.each(0, map.size, (i, r, g, b) => {
      if (i % step !== 0) return;
      pen.fillStyle = css([r, g, b]);
      const at = (coordinate: number): number => (MARGIN + (coordinate / SPAN) * (1 - 2 * MARGIN)) * side; // prettier-ignore
      pen.fillRect(at(x[i] ?? 0), at(y[i] ?? 0), 1, 1);
    });
  }

  /** `lit` has places of the plane, light and hue; `level` is the height at which the camera looks. */
  draw(
    { camera, size }: Seen,
    stage: Box,
    level: number,
    lit: Iterable<[x: number, z: number, light: number, hue: Rgb]>,
  ): void {
    const { pen, canvas } = this;
    if (canvas.hidden || !canvas.checkVisibility()) return;
    const side = canvas.width;
    const at = (world: number): number =>
      (MARGIN + (world / WIDTH + 0.5) * (1 - 2 * MARGIN)) * side;
    pen.clearRect(0, 0, side, side);
    pen.drawImage(this.dust, 0, 0);
    for (const [x, z, light, hue] of lit) {
      pen.fillStyle = css(hue);
      pen.beginPath();
      pen.arc(at(x), at(z), (0.8 + 1.6 * light) * this.ratio, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.strokeStyle = themed("ink");
    pen.lineWidth = this.ratio;
    pen.beginPath();
    for (const [x, z] of footprint(camera, size, stage, level)) pen.lineTo(at(x), at(z));
    pen.closePath();
    pen.stroke();
  }
}

/** Farther than this a ray does not meet the plane that is looked at. */
const FARTHEST = 2 * WIDTH;

/** Where the rays through the stage's corners meet the plane at a height. */
function footprint(
  camera: PerspectiveCamera,
  { width, height }: Seen["size"],
  { left, top, width: w, height: h }: Box,
  level: number,
): [x: number, z: number][] {
  const corners = [[left, top], [left + w, top], [left + w, top + h], [left, top + h]] as const; // prettier-ignore
  return corners.map(([x, y]) => {
    const ray = new Vector3((2 * x) / width - 1, 1 - (2 * y) / height, 0.5).unproject(camera);
    ray.sub(camera.position).normalize();
    const down = level - camera.position.y;
    const away = ray.y * down > 0 ? Math.min(FARTHEST, down / ray.y) : FARTHEST;
    return [camera.position.x + away * ray.x, camera.position.z + away * ray.z];
  });
}
