/**
 * The exported picture: the graph, its names, the text, the sources' hues, and what it was made
 * from. As PNG it is all of pixels; as SVG all words stay text.
 */
import { type Caption, penOf } from "./names/draw";
import type { Box } from "./names/place";
import type { Store } from "../state/store";
import { sayOrigin } from "../words/origin";
import { css, hueAmong, type Rgb, themed } from "./palette";
import { SAY } from "../words";

export type PictureKind = "png" | "svg";

/** Pixels across: 4K. An SVG has its graph in two pixels per CSS pixel. */
const WIDE = 3840;
const SVG_RATIO = 2;

export interface Subject {
  /** The graph alone, which fills `stage`. */
  graph: HTMLCanvasElement;
  /** The part of the window that is shown, in CSS pixels. */
  stage: Box;
  captions: readonly Caption[];
  /** The model with its prompt, and the whole text, of which the end is shown. */
  title: string;
  text: string;
  sources: readonly { name: string; hue: Rgb }[];
  /** What it was made from: model, sources, seed, edits. */
  origin: string;
}

// eslint-disable-next-line no-restricted-syntax -- names of fonts
export const FAMILY = '"Source Sans 3 Variable", "Source Sans 3", sans-serif';
/** Width of the dark line around a label's letters. */
const OUTLINE = 4;
const MARGIN = 16;
const LINE = 24;
const DOT = 5;

interface Word {
  text: string;
  x: number;
  /** Of its middle. */
  y: number;
  /** In the page's own font; a reader without it squeezes or stretches its own. */
  width: number;
  /** As in CSS. */
  font: string;
  colour: string;
  /** The colour of the line around its letters. */
  halo?: string;
}

interface Dot {
  x: number;
  y: number;
  colour: string;
}

/** All that lies on the picture, in CSS pixels. */
export interface Sheet {
  width: number;
  height: number;
  ground: string;
  /** Where the graph is. */
  stage: Box;
  words: readonly Word[];
  dots: readonly Dot[];
}

/** How many pixels wide the graph of a picture is. */
export function across(kind: PictureKind, { width }: Box): number {
  return kind === "png" ? WIDE : SVG_RATIO * width;
}

export function subjectOf(
  store: Store,
  graph: HTMLCanvasElement,
  stage: Box,
  captions: readonly Caption[],
): Subject {
  const { session } = store;
  const { run, tokens } = session;
  const ids = store.sourceIds();
  return {
    graph,
    stage,
    captions,
    title: run ? `${run.model}: ${run.prompt}` : "",
    text: tokens.map(({ text }) => text.replaceAll("\n", " ")).join(""),
    sources: ids
      .filter((id) => store.shows(id))
      .map((name) => ({ name, hue: hueAmong(ids, name) })),
    origin: sayOrigin(store),
  };
}

export function compose(subject: Subject, kind: PictureKind): Promise<Blob> {
  const sheet = sheetOf(subject);
  if (kind === "png") return blobOf(painted(sheet, subject.graph));
  const svg = svgOf(sheet, subject.graph.toDataURL("image/png"), subject.origin);
  return Promise.resolve(new Blob([svg], { type: "image/svg+xml" }));
}

export function sheetOf(subject: Subject): Sheet {
  const { stage, captions, title, text, sources, origin } = subject;
  const pen = penOf(document.createElement("canvas"));
  const [ink, quiet, ground] = [themed("ink"), themed("quiet"), themed("ground")];
  const { width } = stage;
  const inner = width - 2 * MARGIN;
  const words: Word[] = [];
  const dots: Dot[] = [];
  const write = (said: string, x: number, y: number, colour: string, size = 16, weight = 400) => {
    const font = `${weight} ${size}px ${FAMILY}`;
    pen.font = font;
    const { width: wide } = pen.measureText(said);
    words.push({ text: said, x, y, width: wide, font, colour });
    return wide;
  };
  const used = write(SAY.name, MARGIN, MARGIN + LINE / 2, ink, 16, 600) + MARGIN / 2;
  pen.font = `400 16px ${FAMILY}`;
  write(start(pen, title, inner - used), MARGIN + used, MARGIN + LINE / 2, quiet);
  write(end(pen, text, inner), MARGIN, MARGIN + 1.5 * LINE, ink);
  const head = MARGIN + 2 * LINE;
  for (const { text: name, box, font, colour } of captions) {
    const [x, y] = [box.left - stage.left, head + box.top - stage.top + box.height / 2];
    pen.font = font;
    const { width: wide } = pen.measureText(name);
    words.push({ text: name, x, y, width: wide, font, colour, halo: ground });
  }
  let [x, y] = [MARGIN, head + stage.height + LINE / 2];
  for (const { name, hue } of sources) {
    pen.font = `400 14px ${FAMILY}`;
    const room = 4 * DOT + pen.measureText(name).width + MARGIN;
    if (x > MARGIN && x + room > width) [x, y] = [MARGIN, y + LINE];
    dots.push({ x: x + DOT, y, colour: css(hue) });
    write(name, x + 4 * DOT, y, quiet, 14);
    x += room;
  }
  pen.font = `400 14px ${FAMILY}`;
  for (const line of linesOf(origin, (said) => pen.measureText(said).width <= inner)) {
    y += LINE;
    write(line, MARGIN, y, quiet, 14);
  }
  const height = Math.ceil(y + LINE / 2 + MARGIN);
  return { width, height, ground, stage: { ...stage, left: 0, top: head }, words, dots };
}

/** The text in lines that fit, broken between words. */
export function linesOf(text: string, fits: (line: string) => boolean): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = [lines.at(-1), word].filter((part) => part !== undefined).join(" ");
    if (lines.length > 0 && fits(longer)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** At the graph's own resolution. */
function painted(sheet: Sheet, graph: HTMLCanvasElement): HTMLCanvasElement {
  const { width, height, ground, stage, words, dots } = sheet;
  const canvas = document.createElement("canvas");
  const ratio = graph.width / stage.width;
  canvas.width = graph.width;
  canvas.height = Math.round(height * ratio);
  const pen = penOf(canvas);
  pen.scale(ratio, ratio);
  pen.fillStyle = ground;
  pen.fillRect(0, 0, width, height);
  pen.drawImage(graph, stage.left, stage.top, stage.width, stage.height);
  pen.textBaseline = "middle";
  pen.lineJoin = "round";
  pen.lineWidth = OUTLINE;
  for (const { text, x, y, font, colour, halo } of words) {
    pen.font = font;
    if (halo !== undefined) {
      pen.strokeStyle = halo;
      pen.strokeText(text, x, y);
    }
    pen.fillStyle = colour;
    pen.fillText(text, x, y);
  }
  for (const { x, y, colour } of dots) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x, y, DOT, 0, 2 * Math.PI);
    pen.fill();
  }
  return canvas;
}

/** The picture with all words as text that can be marked, searched and edited. */
export function svgOf(sheet: Sheet, graph: string, origin: string): string {
  const { width, height, ground, stage, words, dots } = sheet;
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const place = { x: stage.left, y: stage.top, width: stage.width, height: stage.height };
  const parts = [
    tag("title", {}, escaped(origin)),
    tag("rect", { width, height, fill: ground }),
    tag("image", { ...place, href: graph }),
    ...dots.map(({ x, y, colour }) => tag("circle", { cx: x, cy: y, r: DOT, fill: colour })),
    ...words.map(({ text, x, y, width: wide, font, colour, halo }) => {
      const line =
        halo === undefined
          ? {}
          : { stroke: halo, "stroke-width": OUTLINE, "paint-order": "stroke" };
      const style = { x, y, fill: colour, style: `font:${font}`, "dominant-baseline": "central" };
      const fitted =
        wide > 0 ? { textLength: wide.toFixed(1), lengthAdjust: "spacingAndGlyphs" } : {};
      return tag("text", { ...style, ...fitted, ...line, "xml:space": "preserve" }, escaped(text));
    }),
  ];
  return tag("svg", { xmlns: "http://www.w3.org/2000/svg", ...size }, parts.join("\n"));
}

function tag(name: string, attributes: Record<string, string | number>, content = ""): string {
  const all = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${escaped(String(value))}"`,
  );
  return `<${name}${all.join("")}>${content}</${name}>`;
}

function escaped(text: string): string {
  const signs: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  // XML has no place for most control characters.
  return text
    .replace(/[^\P{Cc}\t\n\r]/gu, "")
    .replace(/[&<>"]/gu, (sign) => `&${signs[sign] ?? ""};`);
}

function blobOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("the browser made no picture"));
    }, "image/png");
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
