/**
 * A grid of any size in a window that scrolls: only what is in the window has elements. Cells are
 * drawn on a canvas; names of rows and columns are text, and the cell that the keys are at is an
 * element, so that it can be read out.
 */
import { css, type Rgb } from "../graph/palette";
import { paint } from "../state/signals";
import { h, setText } from "../ui/dom";
import { dotOf } from "../ui/features";

/** CSS pixels. */
const ROW = 24;
const COLUMN = 20;
const HEAD = 96;
const NAMES = 216;
/** Share of the width that names have at most. */
const MOST_NAMES = 0.4;
/** Of a cell's light, so that the weakest are seen. */
const LEAST_LIGHT = 0.18;
/** Behind the chosen row and column, in either theme. */
const CHOSEN = "rgb(128 128 128 / 24%)";

export interface Place {
  row: number;
  column: number;
}

export interface RowHead {
  name: string;
  hue: Rgb;
  nameless: boolean;
}

export interface Content {
  rows: number;
  columns: number;
  /** The row and the column that are chosen; -1 for none. */
  chosen: Place;
  row: (row: number) => RowHead;
  column: (column: number) => string;
  /** Calls `fill` with each cell of a row from one column up to another, and its light, 0 to 1. */
  cells: (
    row: number,
    from: number,
    to: number,
    fill: (column: number, light: number) => void,
  ) => void;
  /** A cell in words. */
  say: (place: Place) => string;
}

interface Going {
  /** A cell, or with -1 a whole row or column, is chosen. */
  choose: (place: Place) => void;
  /** The pointer or the keys are at a cell, or with -1 at a name; null: at none. */
  over: (place: Place | null) => void;
}

const NONE: Content = {
  rows: 0,
  columns: 0,
  chosen: { row: -1, column: -1 },
  row: () => ({ name: "", hue: [0, 0, 0], nameless: true }),
  column: () => "",
  cells: () => undefined,
  say: () => "",
};

export class Grid {
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly heads = h("div", { role: "row", class: "heads", "aria-rowindex": "1" });
  private readonly names = h("div", { role: "rowgroup", class: "names" });
  private readonly cell = h("div", { role: "gridcell", id: "matrix-cell" });
  private readonly pane: HTMLElement;
  private readonly extent: HTMLElement;
  readonly element: HTMLElement;
  private content = NONE;
  /** Where the keys are. */
  private at: Place = { row: 0, column: 0 };
  private width = 0;
  private height = 0;

  constructor(
    name: string,
    private readonly going: Going,
  ) {
    const attributes = { role: "grid", tabindex: "0", class: "window", "aria-label": name };
    this.pane = h("div", attributes, this.canvas, this.heads, this.names);
    this.extent = h("div", { class: "extent" }, this.pane);
    this.element = h("div", { class: "cells" }, this.extent);
    new ResizeObserver(() => this.resize()).observe(this.element);
    this.element.addEventListener("scroll", () => paint(this.draw));
    this.listen();
  }

  show(content: Content): void {
    this.content = content;
    this.at = this.clamped(this.at);
    const { pane, extent } = this;
    pane.setAttribute("aria-rowcount", String(content.rows + 1));
    pane.setAttribute("aria-colcount", String(content.columns + 1));
    extent.style.width = `${this.margin + content.columns * COLUMN}px`;
    extent.style.height = `${HEAD + content.rows * ROW}px`;
    paint(this.draw);
  }

  /** Scrolls as little as needed to have a row and a column in the window; -1 leaves it. */
  reveal({ row, column }: Place): void {
    const { element, margin, width, height } = this;
    if (row >= 0) {
      element.scrollTop = nearest(element.scrollTop, row * ROW, ROW, height - HEAD);
      this.at.row = row;
    }
    if (column >= 0) {
      element.scrollLeft = nearest(element.scrollLeft, column * COLUMN, COLUMN, width - margin);
      this.at.column = column;
    }
    paint(this.draw);
  }

  /** Whether a column is in the window. */
  hasInView(column: number): boolean {
    const left = column * COLUMN - this.element.scrollLeft;
    return left > -COLUMN && left < this.width - this.margin;
  }

  private get margin(): number {
    return Math.min(NAMES, Math.floor(MOST_NAMES * this.width));
  }

  /** What was in the window stays in it. */
  private resize(): void {
    const { row, column } = this.at;
    const top = row * ROW - this.element.scrollTop;
    const held = {
      row: top > -ROW && top < this.height - HEAD ? row : -1,
      column: this.hasInView(column) ? column : -1,
    };
    this.width = this.element.clientWidth;
    this.height = this.element.clientHeight;
    const { pane, canvas, width, height, margin } = this;
    pane.style.width = `${width}px`;
    pane.style.height = `${height}px`;
    pane.style.setProperty("--margin", `${margin}px`);
    const ratio = Math.min(2, devicePixelRatio);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    this.show(this.content);
    this.reveal(held);
  }

  private listen(): void {
    const { pane } = this;
    pane.addEventListener("click", (event) => {
      // Names are text: whoever has marked some of it has chosen nothing.
      if (getSelection()?.isCollapsed === false) return;
      const place = this.under(event);
      if (!place) return;
      this.at = this.clamped(place);
      this.going.choose(place);
    });
    pane.addEventListener("pointermove", (event) => this.going.over(this.under(event)));
    pane.addEventListener("pointerleave", () => this.going.over(null));
    pane.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") this.going.choose({ ...this.at });
      else if (!this.move(event)) return;
      event.preventDefault();
    });
    pane.addEventListener("focus", () => this.going.over({ ...this.at }));
    pane.addEventListener("blur", () => this.going.over(null));
  }

  /** Goes where a key leads; false for any other key. */
  private move({ key, ctrlKey, metaKey }: KeyboardEvent): boolean {
    const { rows, columns } = this.content;
    const { row, column } = this.at;
    const page = Math.max(1, Math.floor((this.height - HEAD) / ROW) - 1);
    const all = ctrlKey || metaKey;
    const next: Partial<Record<string, Place>> = {
      ArrowRight: { row, column: column + 1 },
      ArrowLeft: { row, column: column - 1 },
      ArrowDown: { row: row + 1, column },
      ArrowUp: { row: row - 1, column },
      PageDown: { row: row + page, column },
      PageUp: { row: row - page, column },
      Home: { row: all ? 0 : row, column: 0 },
      End: { row: all ? rows : row, column: columns },
    };
    const to = next[key];
    if (!to) return false;
    this.reveal(this.clamped(to));
    this.going.over({ ...this.at });
    return true;
  }

  private clamped({ row, column }: Place): Place {
    const { rows, columns } = this.content;
    const within = (value: number, count: number): number =>
      Math.max(0, Math.min(value, count - 1));
    return { row: within(row, rows), column: within(column, columns) };
  }

  /** The cell, or with -1 the name, that a pointer is at. */
  private under({ clientX, clientY }: MouseEvent): Place | null {
    const box = this.pane.getBoundingClientRect();
    const [x, y] = [clientX - box.left - this.margin, clientY - box.top - HEAD];
    const { scrollLeft, scrollTop } = this.element;
    const row = y < 0 ? -1 : Math.floor((y + scrollTop) / ROW);
    const column = x < 0 ? -1 : Math.floor((x + scrollLeft) / COLUMN);
    const { rows, columns } = this.content;
    const inside = row < rows && column < columns && (row >= 0 || column >= 0);
    return inside ? { row, column } : null;
  }

  private readonly draw = (): void => {
    const { element, content, width, height, margin } = this;
    const { scrollLeft, scrollTop } = element;
    const rows = inView(scrollTop, ROW, height - HEAD, content.rows);
    const columns = inView(scrollLeft, COLUMN, width - margin, content.columns);
    const toRow = (row: number): number => HEAD + row * ROW - scrollTop;
    const toColumn = (column: number): number => margin + column * COLUMN - scrollLeft;
    this.drawCells(rows, columns, toRow, toColumn);
    this.nameColumns(columns, toColumn);
    this.nameRows(rows, toRow, toColumn);
  };

  private drawCells(
    rows: Range,
    columns: Range,
    toRow: (row: number) => number,
    toColumn: (column: number) => number,
  ): void {
    const { canvas, content, width, height, margin } = this;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const ratio = canvas.width / Math.max(1, width);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(margin, HEAD, width - margin, height - HEAD);
    pen.clip();
    const { row: chosenRow, column: chosenColumn } = content.chosen;
    pen.fillStyle = CHOSEN;
    if (chosenRow >= 0) pen.fillRect(margin, toRow(chosenRow), width, ROW);
    if (chosenColumn >= 0) pen.fillRect(toColumn(chosenColumn), HEAD, COLUMN, height);
    for (let row = rows.from; row < rows.to; row += 1) {
      const top = toRow(row) + 1;
      pen.fillStyle = css(content.row(row).hue);
      content.cells(row, columns.from, columns.to, (column, light) => {
        pen.globalAlpha = LEAST_LIGHT + (1 - LEAST_LIGHT) * light;
        pen.fillRect(toColumn(column) + 1, top, COLUMN - 2, ROW - 2);
      });
      pen.globalAlpha = 1;
    }
    pen.restore();
  }

  private nameColumns({ from, to }: Range, toColumn: (column: number) => number): void {
    const { heads, content } = this;
    fit(heads, to - from, () => h("div", { role: "columnheader" }, h("span")));
    for (const [i, element] of [...heads.children].entries()) {
      const column = from + i;
      setText(element.firstElementChild as HTMLElement, content.column(column));
      element.setAttribute("aria-colindex", String(column + 2));
      element.classList.toggle("chosen", column === content.chosen.column);
      (element as HTMLElement).style.transform = `translateX(${toColumn(column)}px)`;
    }
  }

  private nameRows(
    { from, to }: Range,
    toRow: (row: number) => number,
    toColumn: (column: number) => number,
  ): void {
    const { names, content, at, cell } = this;
    fit(names, to - from, () => {
      const head = h("div", { role: "rowheader", class: "head" }, dotOf(""), h("span"));
      return h("div", { role: "row" }, head);
    });
    let shown = false;
    for (const [i, element] of [...names.children].entries()) {
      const row = from + i;
      const { name, hue, nameless } = content.row(row);
      const [dot, text] = [...(element.firstElementChild?.children ?? [])] as HTMLElement[];
      if (dot) dot.style.background = css(hue);
      if (text) setText(text, name);
      element.setAttribute("aria-rowindex", String(row + 2));
      element.classList.toggle("nameless", nameless);
      element.classList.toggle("chosen", row === content.chosen.row);
      (element as HTMLElement).style.transform = `translateY(${toRow(row)}px)`;
      if (row !== at.row || at.column >= content.columns) continue;
      shown = true;
      const label = content.say(at);
      if (cell.getAttribute("aria-label") !== label) cell.setAttribute("aria-label", label);
      cell.setAttribute("aria-colindex", String(at.column + 2));
      const left = toColumn(at.column);
      // Under the names it would lie over them.
      cell.style.visibility = left < this.margin ? "hidden" : "";
      cell.style.transform = `translateX(${left}px)`;
      if (cell.parentElement !== element) element.append(cell);
    }
    if (!shown) cell.remove();
    if (shown) this.pane.setAttribute("aria-activedescendant", cell.id);
    else this.pane.removeAttribute("aria-activedescendant");
  }
}

interface Range {
  from: number;
  to: number;
}

/** The lines, each `size` long, that are at least partly in a window of this length. */
function inView(scrolled: number, size: number, length: number, count: number): Range {
  const from = Math.min(count, Math.floor(scrolled / size));
  return { from, to: Math.max(from, Math.min(count, Math.ceil((scrolled + length) / size))) };
}

/** Where to scroll so that a line of this size at `start` is in a window of this length. */
function nearest(scrolled: number, start: number, size: number, length: number): number {
  if (start < scrolled) return start;
  return start + size > scrolled + length ? start + size - length : scrolled;
}

/** Gives an element this many children. */
function fit(parent: HTMLElement, count: number, make: () => HTMLElement): void {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(make());
}
