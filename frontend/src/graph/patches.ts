/** The items of a buffer that have changed since it was last drawn: only those are sent again. */
import type { BufferAttribute } from "three";

/** Changes are kept per block of items: a few items too many cost less than one more call. */
const BLOCK = 32;
/** More ranges than this are sent as one. */
const MOST_RANGES = 1000;

export class Patches {
  private readonly blocks: Uint8Array;
  private dirty = false;

  constructor(readonly attribute: BufferAttribute) {
    this.blocks = new Uint8Array(Math.ceil(attribute.count / BLOCK));
  }

  touch(item: number): void {
    this.blocks[Math.floor(item / BLOCK)] = 1;
    this.dirty = true;
  }

  /** Marks what was touched for the next drawing: one range for every run of blocks. */
  send(): void {
    if (!this.dirty) return;
    this.dirty = false;
    const { blocks, attribute } = this;
    const { itemSize } = attribute;
    for (let start = blocks.indexOf(1); start >= 0; start = blocks.indexOf(1, start)) {
      let end = start;
      while (blocks[end] === 1) end += 1;
      blocks.fill(0, start, end);
      const items = Math.min(end * BLOCK, attribute.count) - start * BLOCK;
      attribute.addUpdateRange(start * BLOCK * itemSize, items * itemSize);
      start = end;
    }
    // Nothing is drawn while the browser has taken WebGL away: ranges must not pile up.
    if (attribute.updateRanges.length > MOST_RANGES) {
      attribute.clearUpdateRanges();
      attribute.addUpdateRange(0, attribute.array.length);
    }
    attribute.needsUpdate = true;
  }
}
