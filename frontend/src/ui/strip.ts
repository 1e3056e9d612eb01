/** A strip with a tick for every token, which is also a slider over the tokens. */
import { css, type Rgb, themed } from "../graph/palette";
import { paint } from "../state/signals";
import { h } from "./dom";
import { SAY } from "../words";

/** Columns are at least this wide, in CSS pixels. */
const COLUMN = 2;
/** Tokens that PageUp and PageDown skip. */
const PAGE = 10;
/** Light of tokens after the one on show. */
const LATER = 0.35;

export interface Track {
  /** By token, 0 to 1. */
  values: ArrayLike<number>;
  /** Tokens that the strip has room for; those without a value are still to come. */
  length: number;
  /** Tokens that are there. */
  known: number;
  /** The token on show, -1 for none. */
  at: number;
  hue: Rgb;
}

export interface Going {
  seek: (index: number) => void;
  /** The text for a token, for screen readers and for the tip at the pointer. */
  say: (index: number) => string;
  /** The next token in a direction (1 or -1); by default the one beside it. */
  next?: (index: number, direction: number) => number;
  /** Any other key. */
  key?: (event: KeyboardEvent) => void;
}

export class Strip {
  private readonly canvas = h("canvas");
  private readonly handle = h("i", { class: "handle" });
  private track: Track = { values: [], length: 0, known: 0, at: -1, hue: [255, 255, 255] };
  /** The token on show, or the one sought since. */
  private sought = -1;
  private width = 0;
  private height = 0;
  /** What is on the canvas, and how many of the values. */
  private drawn = { look: "", values: [] as ArrayLike<number>, told: 0, at: 0 };

  /** `element` becomes a slider; it has its accessible name already. */
  constructor(
    private readonly element: HTMLElement,
    private readonly going: Going,
  ) {
    element.setAttribute("role", "slider");
    element.tabIndex = 0;
    element.dataset.tip = "";
    element.dataset.tipX = "";
    element.append(this.canvas, this.handle);
    this.listen();
    new ResizeObserver(([entry]) => {
      this.width = entry?.contentRect.width ?? 0;
      this.height = entry?.contentRect.height ?? 0;
      paint(this.draw);
    }).observe(element);
  }

  show(track: Track): void {
    const { element, handle } = this;
    if (track.at !== this.track.at || track.known !== this.track.known) {
      element.setAttribute("aria-valuemin", "0");
      element.setAttribute("aria-valuemax", String(Math.max(0, track.known - 1)));
      element.setAttribute("aria-valuenow", String(Math.max(0, track.at)));
      element.setAttribute("aria-valuetext", track.at < 0 ? SAY.empty : this.going.say(track.at));
    }
    handle.hidden = track.at < 0;
    handle.style.left = `${100 * placeOf(track.at, track.length)}%`;
    handle.style.width = `${(100 / Math.max(1, track.length)).toFixed(3)}%`;
    this.track = track;
    this.sought = track.at;
    paint(this.draw);
  }

  private readonly draw = (): void => {
    const { canvas, width, height } = this;
    const scale = Math.min(2, devicePixelRatio);
    const size = [Math.round(width * scale), Math.round(height * scale)] as const;
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const context = canvas.getContext("2d");
    if (!context || width === 0) return;
    const { values, length, known, at, hue } = this.track;
    const colours = [themed("silent"), themed("silent-later"), css(hue)] as const;
    const [look, told] = [[...size, length, ...colours].join(), Math.min(values.length, known)];
    const before = this.drawn;
    this.drawn = { look, values, told, at };
    const same = look === before.look && values === before.values;
    const first = same ? Math.max(0, Math.min(told, before.told, at, before.at)) : 0;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.drawColumns(context, first, colours);
  };

  /** Draws the columns from that of token `first` on: those before it look as they did. */
  private drawColumns(
    context: CanvasRenderingContext2D,
    first: number,
    [silent, silentLater, hue]: readonly [string, string, string],
  ): void {
    const { values, length, known, at } = this.track;
    const all = columnsOf(values, length, Math.floor(this.width / COLUMN), first);
    const step = this.width / all.length;
    const gap = step >= 4 ? 1 : 0;
    // On whole pixels: a column that is drawn anew leaves its neighbours as they are.
    const scale = context.getTransform().a;
    const edge = (i: number): number => Math.round(i * step * scale) / scale;
    const start = Math.floor((first * all.length) / length);
    const columns = all.subarray(0, Math.ceil((known * all.length) / length));
    context.clearRect(start === 0 ? 0 : edge(start), 0, this.width, this.height);
    const bar = (i: number, tall: number): void => {
      context.fillRect(edge(i), this.height - tall, edge(i + 1) - edge(i) - gap, tall);
    };
    // Each kind in one go: a change of colour costs more than a bar, and many bars more than one.
    const split = Math.min(columns.length, Math.ceil(((at + 1) * all.length) / length));
    const ground = (from: number, to: number, colour: string): void => {
      context.fillStyle = colour;
      if (gap === 0) context.fillRect(edge(from), this.height - 2, edge(to) - edge(from), 2);
      else for (let i = from; i < to; i += 1) bar(i, 2);
    };
    ground(start, split, silent);
    ground(Math.max(start, split), columns.length, silentLater);
    context.fillStyle = hue;
    for (let i = start; i < columns.length; i += 1) {
      const value = columns[i] ?? 0;
      if (value <= 0) continue;
      context.globalAlpha = (0.4 + 0.6 * value) * (i < split ? 1 : LATER);
      bar(i, Math.max(2, value * this.height));
    }
    context.globalAlpha = 1;
  }

  private listen(): void {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      element.setPointerCapture(event.pointerId);
      this.seek(this.under(event));
    });
    element.addEventListener("pointermove", (event) => {
      const index = this.under(event);
      element.dataset.tip = index < 0 ? "" : this.going.say(index);
      if (element.hasPointerCapture(event.pointerId)) this.seek(index);
    });
    element.addEventListener("keydown", (event) => {
      const wanted = this.wanted(event.key);
      if (wanted === null) {
        this.going.key?.(event);
        return;
      }
      event.preventDefault();
      this.seek(Math.min(this.track.known - 1, Math.max(0, wanted)));
    });
  }

  /** `sought` changes at once: the next key may come before the page has been drawn. */
  private seek(index: number): void {
    if (index < 0 || index === this.sought) return;
    this.sought = index;
    this.going.seek(index);
  }

  /** The token under the pointer among those that are there. */
  private under({ clientX }: PointerEvent): number {
    const { left, width } = this.element.getBoundingClientRect();
    const { known, length } = this.track;
    return known === 0 ? -1 : Math.min(known - 1, indexAt(clientX - left, width, length));
  }

  private wanted(key: string): number | null {
    const { known } = this.track;
    const at = this.sought;
    const next = this.going.next ?? ((index: number, direction: number) => index + direction);
    switch (key) {
      case "ArrowRight":
      case "ArrowUp":
        return next(at, 1);
      case "ArrowLeft":
      case "ArrowDown":
        return next(at, -1);
      case "PageUp":
        return at + PAGE;
      case "PageDown":
        return at - PAGE;
      case "Home":
        return 0;
      case "End":
        return known - 1;
      default:
        return null;
    }
  }
}

/** The token under a place on a strip, clamped to those there are; -1 for none. */
export function indexAt(x: number, width: number, length: number): number {
  if (length === 0 || !(width > 0)) return -1;
  return Math.min(length - 1, Math.max(0, Math.floor((x / width) * length)));
}

/** The middle of a token's place on a strip, as a share of its width. */
export function placeOf(index: number, length: number): number {
  return length === 0 ? 0 : (index + 0.5) / length;
}

/**
 * The columns of a strip: one for each token where there is room, else the strongest of those that
 * share one. `values` may be shorter than `length`: what is missing is 0. Columns before that of
 * token `first` are not filled.
 */
export function columnsOf(
  values: ArrayLike<number>,
  length: number,
  most: number,
  first = 0,
): Float32Array {
  const columns = new Float32Array(Math.max(0, Math.min(length, most)));
  const known = Math.min(length, values.length);
  const start = Math.floor((first * columns.length) / length);
  for (let i = Math.ceil((start * length) / columns.length); i < known; i += 1) {
    const column = Math.floor((i * columns.length) / length);
    columns[column] = Math.max(columns[column] ?? 0, values[i] ?? 0);
  }
  return columns;
}

/** The least room on the strip of a text that grows. */
const LEAST_ROOM = 64;

/**
 * Tokens that a growing text's strip has room for: doubled when it is full, so that ticks do not
 * move with every token, and never more than may come (`most`).
 */
export function roomFor(tokens: number, most: number): number {
  const room = Math.max(LEAST_ROOM, 2 ** Math.ceil(Math.log2(tokens + 1)));
  return Math.max(tokens, Math.min(room, most));
}

/** The nearest token before (direction -1) or after one at which a feature fired; else that one. */
export function nextFiring(at: readonly number[], index: number, direction: number): number {
  if (direction > 0) return at[firstFrom(at, index + 1)] ?? index;
  return at[firstFrom(at, index) - 1] ?? index;
}

/** The place in ascending numbers of the first one that is at least `least`. */
export function firstFrom(ascending: readonly number[], least: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
