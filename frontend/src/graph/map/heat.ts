/** Draws footprints: the map from above, with the light of one text or of two over it. */
import type { Footprint } from "../../state/footprint";
import type { FeatureMap } from "../../state/map";
import { SPAN } from "../../wire/map";
import { penOf } from "../names/draw";
import { type Box, overlap } from "../names/place";
import { css, type Rgb } from "../palette";
import { FAMILY } from "../picture";
import { Hues } from "./hues";
import { blurred } from "./storeys";

/** Squares along a side in which light is summed up. */
const SIDE = 240;
const MARGIN = 0.05;

/** The light of one text, and of another laid over it: where both are, they add up. */
export const WARM: Rgb = [255, 160, 40];
export const COOL: Rgb = [50, 150, 255];

/** Draws `one`, and `other` over it, on a square canvas. */
export function drawHeat(
  canvas: HTMLCanvasElement,
  map: FeatureMap,
  one: Footprint,
  other: Footprint | null,
): void {
  const pen = penOf(canvas);
  const { width: side } = canvas;
  const hues = new Hues(map, false);
  pen.fillStyle = "#0a0c10";
  pen.fillRect(0, 0, side, side);
  const place = (coordinate: number): number => (MARGIN + (coordinate / SPAN) * (1 - 2 * MARGIN)) * side; // prettier-ignore
  pen.globalAlpha = 0.28;
  const { x, y, districts } = map.file;
  const step = Math.ceil(map.size / 20_000);
  hues.each(0, map.size, (i, r, g, b) => {
    if (i % step !== 0) return;
    pen.fillStyle = css([r, g, b]);
    pen.fillRect(place(x[i] ?? 0), place(y[i] ?? 0), side / 640, side / 640);
  });
  pen.globalAlpha = 1;
  pen.globalCompositeOperation = "screen";
  pen.imageSmoothingQuality = "high";
  for (const [print, hue] of [
    [one, WARM],
    [other, COOL],
  ] as const) {
    // prettier-ignore
    if (print) pen.drawImage(cloudOf(map, print, hue), 0, 0, side, side);
  }
  pen.globalCompositeOperation = "source-over";
  const taken: Box[] = [];
  pen.textBaseline = "middle";
  pen.textAlign = "center";
  const size = side / 36;
  pen.font = `600 ${size}px ${FAMILY}`;
  pen.lineWidth = size / 4;
  pen.lineJoin = "round";
  pen.strokeStyle = "#0a0c10";
  for (const [i, district] of districts.entries()) {
    if (district.level !== 0) continue;
    const [cx, cy] = [place(district.x), place(district.y)];
    const width = pen.measureText(district.name).width;
    const box = { left: cx - width / 2, top: cy - size / 2, width, height: size };
    if (box.left < 0 || box.left + width > side) continue;
    if (taken.some((other_) => overlap(box, other_, size / 4))) continue;
    taken.push(box);
    pen.strokeText(district.name, cx, cy);
    pen.fillStyle = css(hues.ofDistrict(i));
    pen.fillText(district.name, cx, cy);
  }
}

/** One text's light as a transparent picture; its brightest place is full. */
function cloudOf(map: FeatureMap, { heat }: Footprint, [r, g, b]: Rgb): HTMLCanvasElement {
  const sums = new Float32Array(SIDE * SIDE);
  const { x, y } = map.file;
  const cell = (coordinate: number): number =>
    Math.floor((MARGIN + (coordinate / SPAN) * (1 - 2 * MARGIN)) * SIDE);
  for (const [number, light] of heat) {
    const at = cell(y[number] ?? 0) * SIDE + cell(x[number] ?? 0);
    sums[at] = (sums[at] ?? 0) + light;
  }
  const soft = blurred(sums);
  const most = soft.reduce((max, value) => Math.max(max, value), 0);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const pen = penOf(canvas);
  const picture = pen.createImageData(SIDE, SIDE);
  soft.forEach((value, i) => {
    const share = most > 0 ? (value / most) ** 0.7 : 0;
    picture.data.set([r, g, b, 215 * Math.min(1, share)], 4 * i);
  });
  pen.putImageData(picture, 0, 0);
  return canvas;
}

const HEAD = 92;

/** The picture with its caption, to be saved. */
export function captioned(
  picture: HTMLCanvasElement,
  one: Footprint,
  other: Footprint | null,
  source: string,
): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height + HEAD;
  const pen = penOf(canvas);
  pen.fillStyle = "#0a0c10";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, HEAD);
  pen.font = `600 20px ${FAMILY}`;
  for (const [i, [print, hue]] of (
    [
      [one, WARM],
      [other, COOL],
    ] as const
  ).entries()) {
    // prettier-ignore
    pen.fillStyle = css(hue);
    if (print) pen.fillText(firstLine(print.title), 24, 34 + 26 * i, canvas.width - 48);
  }
  pen.font = `400 14px ${FAMILY}`;
  pen.fillStyle = "#9aa4b2";
  pen.fillText(source, 24, HEAD - 6, canvas.width - 48);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("the browser made no picture"));
    }, "image/png");
  });
}

function firstLine(text: string): string {
  return text.replaceAll("\n", " ");
}
