/** The exported picture: nodes and links, the labels on show, the text, and the sources' hues. */
import { type Caption, penOf } from "./names/draw";
import type { Box } from "./names/place";
import { css, type Rgb, themed } from "./palette";
import { SAY } from "../words";

export interface Subject {
  /** Drawn just before, so that it can be read. */
  canvas: HTMLCanvasElement;
  /** The part of it to show, in CSS pixels. */
  stage: Box;
  /** Pixels of the canvas per CSS pixel. */
  ratio: number;
  captions: readonly Caption[];
  /** The model with its prompt, and the whole text, of which the end is shown. */
  title: string;
  text: string;
  sources: readonly { name: string; hue: Rgb }[];
}

// eslint-disable-next-line no-restricted-syntax -- names of fonts
export const FAMILY = '"Source Sans 3 Variable", "Source Sans 3", sans-serif';
/** Width of the dark line around a label's letters. */
const OUTLINE = 4;
const MARGIN = 16;
const LINE = 24;
const DOT = 5;

/** Draws the picture at the canvas's own resolution. */
export function compose(subject: Subject): Promise<Blob> {
  const { stage, ratio } = subject;
  const rows = legendRows(subject);
  const head = MARGIN + 2 * LINE;
  const foot = MARGIN + rows.length * LINE;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(stage.width * ratio);
  canvas.height = Math.round((head + stage.height + foot) * ratio);
  const pen = penOf(canvas);
  pen.scale(ratio, ratio);
  pen.fillStyle = themed("ground");
  pen.fillRect(0, 0, stage.width, head + stage.height + foot);
  drawHead(pen, subject);
  pen.translate(0, head);
  drawGraph(pen, subject);
  for (const caption of subject.captions) drawCaption(pen, caption, stage);
  pen.translate(0, stage.height);
  drawLegend(pen, rows);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("the browser made no picture"));
    }, "image/png");
  });
}

function drawHead(pen: CanvasRenderingContext2D, { title, text, stage }: Subject): void {
  const width = stage.width - 2 * MARGIN;
  pen.textBaseline = "middle";
  pen.font = `600 16px ${FAMILY}`;
  pen.fillStyle = themed("ink");
  pen.fillText(SAY.name, MARGIN, MARGIN + LINE / 2);
  const used = pen.measureText(`${SAY.name}  `).width;
  pen.font = `400 16px ${FAMILY}`;
  pen.fillStyle = themed("quiet");
  pen.fillText(start(pen, title, width - used), MARGIN + used, MARGIN + LINE / 2);
  pen.fillStyle = themed("ink");
  pen.fillText(end(pen, text, width), MARGIN, MARGIN + 1.5 * LINE);
}

function drawGraph(pen: CanvasRenderingContext2D, { canvas, stage, ratio }: Subject): void {
  const { left, top, width, height } = stage;
  const cut = [left, top, width, height].map((side) => side * ratio) as [
    number,
    number,
    number,
    number,
  ];
  pen.drawImage(canvas, ...cut, 0, 0, width, height);
}

function drawCaption(pen: CanvasRenderingContext2D, caption: Caption, stage: Box): void {
  const { text, box, font, colour } = caption;
  const x = box.left - stage.left;
  const y = box.top - stage.top + box.height / 2;
  pen.font = font;
  pen.lineJoin = "round";
  pen.lineWidth = OUTLINE;
  pen.strokeStyle = themed("ground");
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

interface Entry {
  x: number;
  name: string;
  hue: Rgb;
}

/** The sources side by side, in as many rows as they need. */
function legendRows({ sources, stage }: Subject): Entry[][] {
  const pen = penOf(document.createElement("canvas"));
  pen.font = `400 14px ${FAMILY}`;
  const rows: Entry[][] = [[]];
  let x = MARGIN;
  for (const { name, hue } of sources) {
    const width = 4 * DOT + pen.measureText(name).width + MARGIN;
    if (x > MARGIN && x + width > stage.width) {
      rows.push([]);
      x = MARGIN;
    }
    rows.at(-1)?.push({ x, name, hue });
    x += width;
  }
  return rows;
}

function drawLegend(pen: CanvasRenderingContext2D, rows: readonly (readonly Entry[])[]): void {
  pen.font = `400 14px ${FAMILY}`;
  rows.forEach((row, i) => {
    const y = (i + 0.5) * LINE;
    for (const { x, name, hue } of row) {
      pen.fillStyle = css(hue);
      pen.beginPath();
      pen.arc(x + DOT, y, DOT, 0, 2 * Math.PI);
      pen.fill();
      pen.fillStyle = themed("quiet");
      pen.fillText(name, x + 4 * DOT, y);
    }
  });
}

/** As much of the start of a text as fits. */
function start(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 0 && pen.measureText(`${text.slice(0, length)}…`).width > width) length -= 1;
  return `${text.slice(0, length)}…`;
}

/** As much of the end of a text as fits. */
function end(pen: CanvasRenderingContext2D, text: string, width: number): string {
  if (pen.measureText(text).width <= width) return text;
  let length = Math.min(text.length, 400);
  while (length > 0 && pen.measureText(`…${text.slice(-length)}`).width > width) length -= 1;
  return `…${text.slice(-length)}`;
}
