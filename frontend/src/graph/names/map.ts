/**
 * Names on the map: of districts, by distance; of storeys; of silent features that are looked at.
 * None lies over another, or over the name of a feature that fires.
 */
import { type FeatureMap, WIDTH } from "../../state/map";
import { css } from "../palette";
import type { MapScene } from "../map/scene";
import { MAP, storeyName } from "../../words";
import { type Caption, captionOf } from "./draw";
import { type Box, contains, overlap } from "./place";

/** A district's name is shown from this radius on the canvas, in pixels, by level. */
const FROM = [16, 30] as const;
/** Nearer than this, as a share of the stage, a district is all around: its parts are named. */
const WITHIN = 0.75;
const MOST = 26;
const AIR = 6;

/** Where a place of the world is on the canvas; null behind the camera. */
export type Locate = (
  x: number,
  y: number,
  z: number,
) => { x: number; y: number; scale: number } | null;

/** A silent feature that is looked at. */
export interface Silent {
  number: number;
  text: string;
  chosen: boolean;
}

interface Wanted {
  key: string;
  text: string;
  className: string;
  colour: string;
  title?: string;
  /** Where it may lie, the best first: the middle or the left edge of the name's line. */
  spots: readonly { x: number; y: number; centred: boolean }[];
  /** Index of the district, -1 for others. */
  district: number;
}

interface Shown {
  element: HTMLElement;
  box: Box;
  district: number;
}

export class MapNames {
  private readonly shown = new Map<string, Shown>();
  private readonly sizes = new Map<string, { width: number; height: number }>();
  private readonly rings: HTMLElement[] = [];

  constructor(private readonly layer: HTMLElement) {}

  /** `taken` are boxes that must stay free; `focus` is the height at which districts are named. */
  draw(
    scene: MapScene,
    silent: readonly Silent[],
    locate: Locate,
    focus: number,
    flat: boolean,
    stage: Box,
    taken: readonly Box[],
  ): void {
    const wanted = [
      ...silent.flatMap((one) => silentName(scene.map, one, locate)),
      ...this.districtNames(scene, locate, focus, stage),
      // From above, all storeys lie in one place.
      ...(flat ? [] : storeyNames(scene.map, locate)),
    ];
    this.encircle(scene.map, silent, locate);
    const boxes: Box[] = [...taken];
    const kept = new Set<string>();
    for (const name of wanted) {
      if (kept.size >= MOST) break;
      const box = this.boxFor(name, stage, boxes);
      if (box === null) continue;
      boxes.push(box);
      kept.add(name.key);
      this.put(name, box);
    }
    for (const [key, { element }] of this.shown) {
      if (kept.has(key)) continue;
      element.remove();
      this.shown.delete(key);
    }
  }

  clear(): void {
    for (const { element } of this.shown.values()) element.remove();
    for (const ring of this.rings) ring.hidden = true;
    this.shown.clear();
    this.sizes.clear();
  }

  /** The district whose name is at a point of the canvas, and the name's box. */
  at(x: number, y: number): { district: number; box: Box } | null {
    for (const { box, district } of this.shown.values()) {
      if (district >= 0 && contains(box, x, y)) return { district, box };
    }
    return null;
  }

  /** The names on show, for the exported picture. */
  captions(): Caption[] {
    return [...this.shown.values()].map(({ element, box }) => captionOf(element, box));
  }

  /** Large districts first, those with more features before others; those on show stay before. */
  private districtNames(scene: MapScene, locate: Locate, focus: number, stage: Box): Wanted[] {
    const { map, hues } = scene;
    const found: (Wanted & { rank: number })[] = [];
    map.file.districts.forEach((district, i) => {
      const { x, z, radius } = map.siteOf(district);
      const spot = locate(x, focus, z);
      if (!spot || district.name === "") return;
      const across = radius * spot.scale;
      const level = district.level;
      if (across < FROM[level === 0 ? 0 : 1] || (level === 0 && across > WITHIN * stage.width))
        return;
      const key = `district ${i}`;
      const line = level === 0 ? 24 : 16;
      found.push({
        key,
        text: district.provisional ? `≈ ${district.name}` : district.name,
        className: `district ${level === 0 ? "large" : "small"}`,
        colour: css(hues.ofDistrict(i)),
        ...(district.provisional ? { title: MAP.provisional } : {}),
        spots: [0, -line, line].map((down) => ({ x: spot.x, y: spot.y + down, centred: true })),
        district: i,
        rank: (level === 0 ? 1e9 : 0) + district.features * (this.shown.has(key) ? 1.5 : 1),
      });
    });
    return found.sort((a, b) => b.rank - a.rank);
  }

  private boxFor(name: Wanted, stage: Box, taken: readonly Box[]): Box | null {
    const { width, height } = this.sizeOf(name);
    for (const { x, y, centred } of name.spots) {
      const box = { left: centred ? x - width / 2 : x, top: y - height / 2, width, height };
      const inside =
        box.left >= stage.left &&
        box.top >= stage.top &&
        box.left + width <= stage.left + stage.width &&
        box.top + height <= stage.top + stage.height;
      if (inside && !taken.some((other) => overlap(box, other, AIR))) return box;
    }
    return null;
  }

  private put(name: Wanted, box: Box): void {
    const before = this.shown.get(name.key);
    const same = before?.element.textContent === name.text && before.element.className === name.className; // prettier-ignore
    const element = same ? before.element : this.element(name);
    if (!same) {
      before?.element.remove();
      this.layer.append(element);
    }
    element.style.color = name.colour;
    element.style.transform = `translate(${box.left.toFixed(1)}px, ${box.top.toFixed(1)}px)`;
    this.shown.set(name.key, { element, box, district: name.district });
  }

  private element({ text, className }: Wanted): HTMLElement {
    const element = document.createElement("div");
    element.className = className;
    element.textContent = text;
    return element;
  }

  /** Measured once for each text. */
  private sizeOf(name: Wanted): { width: number; height: number } {
    const look = `${name.className}: ${name.text}`;
    const known = this.sizes.get(look);
    if (known) return known;
    const probe = this.element(name);
    this.layer.append(probe);
    const size = { width: probe.offsetWidth, height: probe.offsetHeight };
    probe.remove();
    this.sizes.set(look, size);
    return size;
  }

  /** A ring around each silent feature that is looked at: it does not fire, so it does not shine. */
  private encircle(map: FeatureMap, silent: readonly Silent[], locate: Locate): void {
    while (this.rings.length < silent.length) {
      const ring = document.createElement("div");
      this.layer.append(ring);
      this.rings.push(ring);
    }
    this.rings.forEach((ring, i) => {
      const one = silent[i];
      const spot = one ? locate(...map.placeOf(one.number)) : null;
      ring.hidden = spot === null;
      if (!spot || !one) return;
      ring.className = ["ring", "silent", ...(one.chosen ? [] : ["hovered"])].join(" ");
      const size = one.chosen ? 16 : 11;
      ring.style.width = ring.style.height = `${size}px`;
      ring.style.transform = `translate(${(spot.x - size / 2).toFixed(1)}px, ${(spot.y - size / 2).toFixed(1)}px)`;
    });
  }
}

function silentName(map: FeatureMap, { number, text, chosen }: Silent, locate: Locate): Wanted[] {
  const spot = locate(...map.placeOf(number));
  if (!spot || text === "") return [];
  return [
    {
      key: `silent ${number}`,
      text,
      className: ["label", "silent", ...(chosen ? ["chosen"] : [])].join(" "),
      colour: "",
      spots: [0, -12, 12, -24, 24].map((down) => ({
        x: spot.x + 12,
        y: spot.y + down,
        centred: false,
      })),
      district: -1,
    },
  ];
}

/** Points around a storey's rim, which is a square with round corners, see `Storeys`. */
const RIM = Array.from({ length: 16 }, (_, i) => {
  const [x, z] = [Math.cos((i * Math.PI) / 8), Math.sin((i * Math.PI) / 8)];
  const far = (0.55 * WIDTH) / (x ** 4 + z ** 4) ** 0.25;
  return [far * x, far * z] as const;
});

/** At the left of each storey's plane, as the camera sees it; the highest first. */
function storeyNames(map: FeatureMap, locate: Locate): Wanted[] {
  const storeys = Array.from({ length: map.storeys }, (_, i) => map.storeys - 1 - i);
  return storeys.flatMap((storey): Wanted[] => {
    const source = map.file.sources.find((one) => one.storey === storey);
    const spots = RIM.flatMap(([x, z]) => locate(x, map.levelOf(storey), z) ?? []);
    const left = spots.reduce((a, b) => (b.x < a.x ? b : a), spots[0] ?? { x: 0, y: 0 });
    if (!source || spots.length < RIM.length) return [];
    return [
      {
        key: `storey ${storey}`,
        text: storeyName(source.layer),
        className: "storey",
        colour: "",
        spots: [-34, 34].map((right) => ({ x: left.x + right, y: left.y, centred: true })),
        district: -1,
      },
    ];
  });
}
