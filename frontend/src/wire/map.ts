/** GET /api/map: where every feature of a model is, as typed arrays over the bytes that came. */
import { asArray, asBoolean, asNumber, asObject, asString, listOf, objectOf, or, WireError } from "./check"; // prettier-ignore

/** The features of one source, and the plane that they lie in. */
const mapSource = objectOf({
  id: asString,
  width: whole,
  layer: whole,
  /** Height, from 0. Sources of one storey share their plane. */
  storey: whole,
  /** Number of its feature 0 among all features of the map. */
  first: whole,
  /** Of a feature's ten most similar, the share that is among its ten nearest in the plane. */
  recall: asNumber,
  /** Why its plane has nothing to do with the other storeys'; empty if it has. */
  apart: or(asString, ""),
});
export type MapSource = ReturnType<typeof mapSource>;

const district = objectOf({
  /** 0 for a large one, 1 for a small one inside a large one. */
  level: whole,
  /** Index of the large district that a small one belongs to. */
  parent: whole,
  name: asString,
  /** Named after the tokens that its features promote, for want of labels. */
  provisional: or(asBoolean, false),
  /** Its middle, 0 to `SPAN`. */
  x: asNumber,
  y: asNumber,
  /** Holds half of its features. */
  radius: asNumber,
  features: whole,
});
export type District = ReturnType<typeof district>;

export interface MapFile {
  model: string;
  hash: string;
  sources: readonly MapSource[];
  districts: readonly District[];
  /** By feature, source after source: its place, 0 to `SPAN`. */
  x: Uint16Array;
  y: Uint16Array;
  /** Index of its small district, `NO_DISTRICT` for none. */
  district: Uint16Array;
  /** Number of its kin one storey higher, `NO_KIN` for none. */
  kin: Uint32Array;
}

/** Coordinates of the map's far edge. */
export const SPAN = 65535;
export const NO_DISTRICT = 0xffff;
export const NO_KIN = 0xffffffff;

const VERSION = 1;

/** Reads the header and lays arrays over the rest. Throws a `WireError` if they do not fit. */
export function parseMap(bytes: ArrayBuffer): MapFile {
  const header = headerOf(bytes);
  if (header.version !== VERSION) {
    throw new WireError(
      `it is of version ${String(header.version)}, and this page reads ${VERSION}`,
    );
  }
  const sources = listOf(mapSource)(header.sources, "map.sources");
  const count = countOf(sources);
  const districts = listOf(district)(header.districts, "map.districts");
  const sections = asObject(header.sections, "map.sections");
  const section = <T>(name: string, kind: Section<T>): T => {
    const [offset, size] = asArray(sections[name], name).map((n) => asNumber(n, name));
    if (offset === undefined || size !== count) throw new WireError(`${name} is not as long as its sources`); // prettier-ignore
    if (offset % kind.BYTES_PER_ELEMENT !== 0 || offset < 4) throw new WireError(`${name} begins at a wrong place`); // prettier-ignore
    if (offset + size * kind.BYTES_PER_ELEMENT > bytes.byteLength) throw new WireError(`${name} is cut off`); // prettier-ignore
    return new kind(bytes, offset, size);
  };
  const file: MapFile = {
    model: asString(header.model, "map.model"),
    hash: asString(header.hash, "map.hash"),
    sources,
    districts,
    x: section("x", Uint16Array),
    y: section("y", Uint16Array),
    district: section("district", Uint16Array),
    kin: section("kin", Uint32Array),
  };
  if (file.district.some((d) => d !== NO_DISTRICT && d >= districts.length)) throw new WireError("a feature is in a district that is not there"); // prettier-ignore
  if (file.kin.some((k) => k !== NO_KIN && k >= count)) throw new WireError("a feature has kin that is not there"); // prettier-ignore
  return file;
}

interface Section<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): T;
}

function headerOf(bytes: ArrayBuffer): Record<string, unknown> {
  const length = bytes.byteLength < 4 ? Infinity : new DataView(bytes).getUint32(0, true);
  if (4 + length > bytes.byteLength) throw new WireError("it is cut off");
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  } catch {
    throw new WireError("its beginning is not JSON");
  }
  return asObject(header, "map");
}

/** How many features the sources have together; each must begin where the one before ends. */
function countOf(sources: readonly MapSource[]): number {
  let count = 0;
  for (const { id, first, width } of sources) {
    if (first !== count) throw new WireError(`${id} begins at a wrong feature`);
    count += width;
  }
  return count;
}

function whole(value: unknown, what: string): number {
  const number = asNumber(value, what);
  if (!Number.isInteger(number) || number < 0) throw new WireError(`${what} is no whole number`);
  return number;
}
