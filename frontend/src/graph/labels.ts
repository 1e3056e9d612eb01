/** Labels as elements over the canvas: crisp at any size, a dark halo around them. */
import {
  type Box,
  type Candidate,
  boxAt,
  coreBox,
  overlap,
  placeLabels,
  type Side,
} from "./placement";
import type { OnScreen } from "./pick";

/** A node that may be named. */
export interface Named {
  id: number;
  text: string;
  /** Nameless features show their number, more quietly. */
  named: boolean;
  x: number;
  y: number;
  radius: number;
  chosen: boolean;
}

/** Labels are chosen anew at most this often; between, they only follow their nodes. */
const CHOOSE_MS = 240;

interface Shown {
  element: HTMLElement;
  text: string;
  side: Side;
  width: number;
  height: number;
}

export class Labels {
  private readonly shown = new Map<number, Shown>();
  private readonly sizes = new Map<string, { width: number; height: number }>();
  private chosenAt = -Infinity;
  private readonly ring: HTMLElement;

  constructor(
    private readonly layer: HTMLElement,
    private readonly choose: (id: number) => void,
  ) {
    this.ring = document.createElement("div");
    this.ring.className = "ring";
    this.ring.hidden = true;
    layer.append(this.ring);
  }

  /**
   * Draws the labels for `nodes`, the most important first, where they hide few of the `bright` ones.
   * Returns whether a choice is still due.
   */
  update(
    nodes: readonly Named[],
    bright: readonly OnScreen[],
    stage: Box,
    limit: number,
    now: number,
  ): boolean {
    const due = now - this.chosenAt >= CHOOSE_MS;
    if (due) {
      this.chosenAt = now;
      this.select(nodes, bright.map(coreBox), stage, limit);
    }
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const taken: Box[] = [];
    for (const [id, shown] of this.inOrder(nodes)) {
      const node = byId.get(id);
      const box = node && boxAt({ ...node, width: shown.width, height: shown.height }, shown.side);
      // The camera may have moved a label over another since they were chosen.
      if (!box || taken.some((other) => overlap(box, other, 0))) {
        this.drop(id, shown);
        continue;
      }
      taken.push(box);
      shown.element.style.transform = `translate(${box.left.toFixed(1)}px, ${box.top.toFixed(1)}px)`;
    }
    this.drawRing(nodes.find((node) => node.chosen));
    return !due;
  }

  /** Sizes depend on the font: forget them when it changes. */
  forgetSizes(): void {
    this.sizes.clear();
    for (const [id, shown] of this.shown) this.drop(id, shown);
    this.chosenAt = -Infinity;
  }

  private select(nodes: readonly Named[], lights: Box[], stage: Box, limit: number): void {
    const candidates = nodes.map((node): Candidate => ({ ...node, ...this.sizeOf(node) }));
    const sides = new Map([...this.shown].map(([id, { side }]) => [id, side]));
    const placed = placeLabels(candidates, stage, limit, sides, lights);
    const keep = new Set(placed.map(({ id }) => id));
    for (const [id, shown] of this.shown) if (!keep.has(id)) this.drop(id, shown);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    for (const { id, side } of placed) {
      const node = byId.get(id);
      if (node) this.show(node, side);
    }
  }

  private show(node: Named, side: Side): void {
    const old = this.shown.get(node.id);
    if (old?.text === node.text) {
      old.side = side;
    } else {
      old?.element.remove();
      const element = this.element(node);
      this.layer.append(element);
      this.shown.set(node.id, { element, text: node.text, side, ...this.sizeOf(node) });
    }
    this.shown.get(node.id)?.element.classList.toggle("chosen", node.chosen);
  }

  private element(node: Named): HTMLElement {
    const element = document.createElement("div");
    element.className = node.named ? "label" : "label nameless";
    element.textContent = node.text;
    element.addEventListener("click", () => {
      this.choose(node.id);
    });
    return element;
  }

  /** The labels that stand, the most important first. */
  private inOrder(nodes: readonly Named[]): [number, Shown][] {
    const order = new Map(nodes.map(({ id }, place) => [id, place]));
    const placeOf = (id: number): number => order.get(id) ?? nodes.length;
    return [...this.shown].sort(([a], [b]) => placeOf(a) - placeOf(b));
  }

  private drop(id: number, { element }: Shown): void {
    element.remove();
    this.shown.delete(id);
  }

  private sizeOf(node: Named): { width: number; height: number } {
    const known = this.sizes.get(node.text);
    if (known) return known;
    const probe = this.element(node);
    probe.style.visibility = "hidden";
    this.layer.append(probe);
    const size = { width: probe.offsetWidth, height: probe.offsetHeight };
    probe.remove();
    this.sizes.set(node.text, size);
    return size;
  }

  private drawRing(node: Named | undefined): void {
    this.ring.hidden = node === undefined;
    if (!node) return;
    const size = 2 * (node.radius + 5);
    this.ring.style.width = this.ring.style.height = `${size.toFixed(1)}px`;
    this.ring.style.transform = `translate(${(node.x - size / 2).toFixed(1)}px, ${(node.y - size / 2).toFixed(1)}px)`;
  }
}
