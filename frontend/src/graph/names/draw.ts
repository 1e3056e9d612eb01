/**
 * Labels as elements over the canvas: crisp at any size, with a dark halo. Pointer events go
 * through them to the canvas, so that a drag or the wheel works on a label, too.
 */
import type { OnScreen } from "../pick";
import type { Named } from "./choose";
import { type Box, boxAt, contains, overlap, placeLabels, type Side } from "./place";

/** A label on show, for the exported picture. */
export interface Caption {
  text: string;
  box: Box;
  /** The CSS font it is written in. */
  font: string;
  colour: string;
}

interface Shown {
  element: HTMLElement;
  /** If it looks otherwise, a new element is made. */
  look: string;
  text: string;
  side: Side;
  width: number;
  height: number;
  box: Box | null;
}

/** How far a bracket is from its nodes, in pixels. */
const BRACKET = 10;

type Size = Pick<Box, "width" | "height">;

interface Face {
  font: string;
  height: number;
  /** By text. */
  widths: Map<string, number>;
}

export class Labels {
  /** The most important first. */
  private shown = new Map<number, Shown>();
  /** By the classes of a label. */
  private readonly faces = new Map<string, Face>();
  private readonly pen = penOf(document.createElement("canvas"));
  private readonly rings: Record<"chosen" | "hovered", HTMLElement>;
  /** Marks of which there may be several, by kind. */
  private readonly marks = new Map<string, HTMLElement[]>();

  constructor(private readonly layer: HTMLElement) {
    this.rings = { chosen: this.ring("chosen"), hovered: this.ring("hovered") };
  }

  /**
   * Chooses the labels for `nodes`, the most important first. They hide as few of the `bright`
   * boxes as possible and none that is `taken`.
   */
  select(
    nodes: Iterable<Named>,
    bright: readonly Box[],
    stage: Box,
    taken: readonly Box[],
    limit: number,
  ): void {
    const sides = new Map([...this.shown].map(([id, { side }]) => [id, side]));
    const placed = placeLabels(this.sized(nodes), stage, limit, sides, bright, taken);
    const before = this.shown;
    this.shown = new Map();
    for (const { label, side } of placed) {
      this.shown.set(label.id, this.show(label, side, before.get(label.id)));
    }
    for (const [id, { element }] of before) {
      if (this.shown.get(id)?.element !== element) element.remove();
    }
  }

  /** Moves the labels to where their nodes are now. */
  follow(where: (id: number) => OnScreen | null): void {
    const taken: Box[] = [];
    for (const [id, shown] of this.shown) {
      const node = where(id);
      const box = node && boxAt({ ...node, width: shown.width, height: shown.height }, shown.side);
      // The camera may have moved a label over another since they were chosen.
      if (!box || taken.some((other) => overlap(box, other, 0))) {
        shown.element.remove();
        this.shown.delete(id);
        continue;
      }
      taken.push(box);
      if (shown.box?.left !== box.left || shown.box.top !== box.top) {
        shown.element.style.transform = `translate(${box.left.toFixed(1)}px, ${box.top.toFixed(1)}px)`;
      }
      shown.box = box;
    }
  }

  /** The node whose label is at a point of the canvas. */
  at(x: number, y: number): number | null {
    for (const [id, { box }] of this.shown) {
      if (box && contains(box, x, y)) return id;
    }
    return null;
  }

  /** The nodes whose labels are on show. */
  get named(): ReadonlySet<number> {
    return new Set(this.shown.keys());
  }

  /** What the labels on show cover. */
  get boxes(): Box[] {
    return [...this.shown.values()].flatMap(({ box }) => box ?? []);
  }

  /** Draws a ring around a node, or takes it away. */
  mark(kind: "chosen" | "hovered", node: OnScreen | null): void {
    this.encircle(this.rings[kind], node, 5);
  }

  /** Draws a ring of this kind around each of these nodes, and around no others. */
  markAll(kind: "edited" | "pinned" | "companion", nodes: readonly (OnScreen | null)[]): void {
    const gap = { edited: 9, pinned: 7, companion: 3 }[kind];
    const rings = this.marksOf(kind, nodes.length);
    for (const [i, ring] of rings.entries()) this.encircle(ring, nodes[i] ?? null, gap);
  }

  /** Draws a bracket around the nodes of each column, and around no others. */
  bracket(columns: readonly (readonly OnScreen[])[]): void {
    const brackets = this.marksOf("bracket", columns.length);
    for (const [i, element] of brackets.entries()) {
      const column = columns[i] ?? [];
      element.hidden = column.length === 0;
      if (column.length === 0) continue;
      const least = (of: (spot: OnScreen) => number): number => Math.min(...column.map(of));
      const left = least(({ x, radius }) => x - radius) - BRACKET;
      const top = least(({ y }) => y);
      element.style.height = `${(-least(({ y }) => -y) - top).toFixed(1)}px`;
      element.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
    }
  }

  private marksOf(kind: string, count: number): HTMLElement[] {
    const marks = this.marks.get(kind) ?? [];
    this.marks.set(kind, marks);
    while (marks.length < count) marks.push(this.ring(kind));
    return marks;
  }

  private encircle(ring: HTMLElement, node: OnScreen | null, gap: number): void {
    ring.hidden = node === null;
    if (!node) return;
    const size = 2 * (node.radius + gap);
    ring.style.width = ring.style.height = `${size.toFixed(1)}px`;
    ring.style.transform = `translate(${(node.x - size / 2).toFixed(1)}px, ${(node.y - size / 2).toFixed(1)}px)`;
  }

  /** Sizes depend on the font: forget them when it changes. */
  forgetSizes(): void {
    this.faces.clear();
    for (const { element } of this.shown.values()) element.remove();
    this.shown.clear();
  }

  /** The labels on show. */
  captions(): Caption[] {
    return [...this.shown.values()].flatMap(({ element, box }) => {
      return box ? [captionOf(element, box)] : [];
    });
  }

  private show(node: Named & Size, side: Side, before: Shown | undefined): Shown {
    const { look, text, width, height } = node;
    if (before?.look === look && before.text === text) return { ...before, side };
    const element = this.element(node);
    if (node.wait > 0) element.style.animationDelay = `${Math.round(node.wait)}ms`;
    this.layer.append(element);
    return { element, look, text, side, box: null, width, height };
  }

  private element(node: Named): HTMLElement {
    const element = document.createElement("div");
    element.className = node.look;
    element.textContent = node.text;
    return element;
  }

  private sizeOf(node: Named): Size {
    const { font, height, widths } = this.faceOf(node);
    let width = widths.get(node.text);
    if (width === undefined) {
      this.pen.font = font;
      width = Math.ceil(this.pen.measureText(node.text).width);
      widths.set(node.text, width);
    }
    return { width, height };
  }

  /** Each is measured when its turn comes: for most there is no room any more. */
  private *sized(nodes: Iterable<Named>): Generator<Named & Size> {
    for (const node of nodes) yield { ...node, ...this.sizeOf(node) };
  }

  /** Looked up once for each kind of label: laying out every text to measure it costs frames. */
  private faceOf(node: Named): Face {
    const known = this.faces.get(node.look);
    if (known) return known;
    const probe = this.element(node);
    this.layer.append(probe);
    const font = fontOf(getComputedStyle(probe));
    const face = { font, height: probe.offsetHeight, widths: new Map<string, number>() };
    probe.remove();
    this.faces.set(node.look, face);
    return face;
  }

  private ring(kind: string): HTMLElement {
    const ring = document.createElement("div");
    ring.className = kind === "bracket" ? kind : `ring ${kind}`;
    ring.hidden = true;
    this.layer.append(ring);
    return ring;
  }
}

/** The 2D context of a canvas. A browser without one has no WebGL and no graph either. */
export function penOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("the browser cannot draw on a canvas");
  // Places are counted from the left, whatever direction the page has.
  pen.direction = "ltr";
  return pen;
}

/** A name on show as the exported picture writes it. */
export function captionOf(element: HTMLElement, box: Box): Caption {
  const style = getComputedStyle(element);
  return { text: element.textContent, box, font: fontOf(style), colour: style.color };
}

function fontOf({ fontWeight, fontSize, fontFamily }: CSSStyleDeclaration): string {
  return `${fontWeight} ${fontSize} ${fontFamily}`;
}
