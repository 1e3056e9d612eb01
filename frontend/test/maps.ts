/** A made-up map of all features, as a gateway serves one. */
import { NO_DISTRICT, NO_KIN, SPAN } from "../src/wire/map";

type Header = Record<string, unknown> & { sections: Record<string, [number, number]> };

export interface Made {
  header: Header;
  /** The file; `change` may spoil its header first. */
  bytes(change?: (header: Header) => void): ArrayBuffer;
}

/** A number from 0 to 1 that is the same for the same seed. */
function drawn(seed: number): number {
  let hash = Math.imul(seed + 1, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/**
 * Sources of these widths; feature `i` of one is the kin of feature `i` of the next. Two large
 * districts, west and east, hold one small district each; every seventh feature is in none.
 */
export function madeMap(widths: readonly number[], hash = "0123456789abcdef"): Made {
  const count = widths.reduce((sum, width) => sum + width, 0);
  const firsts = widths.map((_, i) => widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  const [x, y, district] = [0, 1, 2].map(() => new Uint16Array(count)) as [Uint16Array, Uint16Array, Uint16Array]; // prettier-ignore
  const kin = new Uint32Array(count).fill(NO_KIN);
  widths.forEach((width, source) => {
    for (let i = 0; i < width; i += 1) {
      const at = (firsts[source] ?? 0) + i;
      x[at] = Math.floor(SPAN * drawn(2 * i));
      y[at] = Math.floor(SPAN * drawn(2 * i + 1));
      district[at] = i % 7 === 0 ? NO_DISTRICT : (x[at] ?? 0) < SPAN / 2 ? 2 : 3;
      if (i < (widths[source + 1] ?? 0)) kin[at] = (firsts[source + 1] ?? 0) + i;
    }
  });
  const cosine = new Uint8Array(count).fill(230);
  const district_ = (level: number, parent: number, name: string, east: number) => ({
    level, parent, name, provisional: name === "late", x: east, y: SPAN / 2, radius: 9000, features: 10,
  }); // prettier-ignore
  const header: Header = {
    version: 1,
    model: "axon-demo",
    hash,
    seed: 1,
    kin_distance: 0,
    sources: widths.map((width, i) => ({
      id: `axon-demo/${i}-res`, width, layer: i, storey: i, first: firsts[i], recall: 0.5, apart: "",
    })), // prettier-ignore
    districts: [
      district_(0, 0, "west", 16_000),
      district_(0, 1, "east", 48_000),
      district_(1, 0, "early", 16_000),
      district_(1, 1, "late", 48_000),
    ],
    sections: {},
  };
  const parts: [string, Uint8Array | Uint16Array | Uint32Array][] = [["kin", kin], ["x", x], ["y", y], ["district", district], ["cosine", cosine]]; // prettier-ignore
  return {
    header,
    bytes: (change = () => undefined) => {
      const size = 4 * Math.ceil((JSON.stringify(header).length + 400) / 4);
      const told = structuredClone(header);
      let offset = 4 + size;
      const file = new Uint8Array(
        offset + parts.reduce((sum, [, { byteLength }]) => sum + byteLength, 0),
      );
      for (const [name, part] of parts) {
        told.sections[name] = [offset, part.length];
        file.set(new Uint8Array(part.buffer), offset);
        offset += part.byteLength;
      }
      change(told);
      file.set(new TextEncoder().encode(JSON.stringify(told).padEnd(size)), 4);
      new DataView(file.buffer).setUint32(0, size, true);
      return file.buffer;
    },
  };
}
