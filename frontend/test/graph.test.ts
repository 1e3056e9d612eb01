import { describe, expect, it } from "vitest";
import { extentOf } from "../src/graph/extent";
import { fraction, Layout, type Newcomer } from "../src/graph/map/layout";
import { nameNodes } from "../src/graph/names/choose";
import { below, type Candidate, overlap, placeLabels } from "../src/graph/names/place";
import { nearest } from "../src/graph/pick";
import { feature, started, streamed, token } from "./frames";

const STAGE = { left: 0, top: 0, width: 400, height: 300 };

function candidate(id: number, x: number, y: number): Candidate {
  return { id, x, y, radius: 4, width: 80, height: 16 };
}

describe("placeLabels", () => {
  it("never lets two labels overlap, however crowded it is", () => {
    const crowd = Array.from({ length: 60 }, (_, i) =>
      candidate(i, 400 * fraction(i, 1), 300 * fraction(i, 2)),
    );
    const placed = placeLabels(crowd, STAGE, 60, new Map());
    const boxes = placed.map(({ box }) => box);
    expect(placed.length).toBeGreaterThan(5);
    boxes.forEach((a, i) => {
      expect(boxes.slice(i + 1).some((b) => overlap(a, b, 0))).toBe(false);
    });
  });

  it("prefers the first candidates and stops at the limit", () => {
    const placed = placeLabels(
      [candidate(1, 100, 50), candidate(2, 100, 150), candidate(3, 100, 250)],
      STAGE,
      2,
      new Map(),
    );
    expect(placed.map(({ label }) => label.id)).toEqual([1, 2]);
  });

  it("uses the other side at the edge, and keeps the side it had", () => {
    const atEdge = placeLabels([candidate(1, 390, 50)], STAGE, 5, new Map());
    expect(atEdge[0]?.side).toBe("left");
    const kept = placeLabels([candidate(1, 200, 50)], STAGE, 5, new Map([[1, "below"]]));
    expect(kept[0]?.side).toBe("below");
  });

  it("avoids hiding lights", () => {
    const lights = [{ left: 210, top: 40, width: 8, height: 20 }];
    const placed = placeLabels([candidate(1, 200, 50)], STAGE, 5, new Map(), lights);
    expect(placed[0]?.side).toBe("left");
  });

  it("keeps off what is occupied", () => {
    const tools = { left: 200, top: 0, width: 200, height: 300 };
    const placed = placeLabels([candidate(1, 190, 50)], STAGE, 5, new Map(), [], [tools]);
    expect(placed[0]?.side).toBe("left");
  });

  it("uses a corner if the sides are taken", () => {
    const cross = [
      { left: 205, top: 49, width: 90, height: 2 },
      { left: 100, top: 49, width: 90, height: 2 },
      { left: 199, top: 10, width: 2, height: 35 },
      { left: 199, top: 55, width: 2, height: 35 },
    ];
    const placed = placeLabels([candidate(1, 200, 50)], STAGE, 5, new Map(), [], cross);
    expect(placed[0]?.side).toBe("right above");
  });

  it("leaves out what has no place on the stage", () => {
    expect(placeLabels([candidate(1, -200, 50)], STAGE, 5, new Map())).toEqual([]);
  });
});

describe("below", () => {
  const cover = (height: number) => ({ left: 0, top: 0, width: 400, height });

  it("leaves what is not covered, and at least most of the stage", () => {
    expect(below({ ...STAGE, top: 60 }, cover(50))).toEqual({ ...STAGE, top: 60 });
    expect(below(STAGE, cover(50))).toEqual({ ...STAGE, top: 50, height: 250 });
    expect(below(STAGE, cover(290)).height).toBeCloseTo(225);
  });
});

describe("Layout", () => {
  const newcomers = (from: number, count: number): Newcomer[] =>
    Array.from({ length: count }, (_, i) => ({
      index: from + i,
      source: "s",
      id: from + i,
      level: 0,
    }));

  it("places newcomers without moving those already there", () => {
    const layout = new Layout();
    const first = layout.add(newcomers(0, 20), []);
    const copy = first.slice();
    const second = layout.add(newcomers(20, 5), [{ a: 20, b: 3, weight: 1 }]);
    expect(second).toHaveLength(15);
    expect(first).toEqual(copy);
    expect([...second].every(Number.isFinite)).toBe(true);
  });

  it("puts a newcomer nearer to what it fires with than to the rest", () => {
    const layout = new Layout();
    const first = layout.add(newcomers(0, 30), []);
    const [x = 0, y = 0, z = 0] = layout.add(newcomers(30, 1), [{ a: 30, b: 4, weight: 1 }]);
    const distances = Array.from({ length: 30 }, (_, i) =>
      Math.hypot((first[3 * i] ?? 0) - x, (first[3 * i + 1] ?? 0) - y, (first[3 * i + 2] ?? 0) - z),
    );
    const nearer = distances.filter((distance) => distance < (distances[4] ?? 0));
    expect(nearer.length).toBeLessThan(8);
  });

  it("gives features known from earlier visits their places back, in any order", () => {
    const first = new Layout();
    const ids = newcomers(0, 20);
    const places = first.add(ids, [{ a: 0, b: 1, weight: 1 }]);
    const later = new Layout();
    later.know(
      "s",
      0,
      Uint32Array.from(ids, ({ id }) => id),
      places,
    );
    const backwards = ids.toReversed().map((newcomer, index) => ({ ...newcomer, index }));
    const stranger: Newcomer = { index: 20, source: "s", id: 999, level: 0 };
    const again = later.add([...backwards.slice(0, 5), stranger], []);
    for (const { index, id } of backwards.slice(0, 5)) {
      expect(again.slice(3 * index, 3 * index + 3)).toEqual(places.slice(3 * id, 3 * id + 3));
    }
    const rest = later.add(backwards.slice(5), []);
    expect(rest.slice(0, 3)).toEqual(places.slice(3 * 14, 3 * 15));
  });

  it("keeps the places of known features free until they fire", () => {
    const layout = new Layout();
    const stranger: Newcomer = { index: 0, source: "s", id: 7, level: 0 };
    const [x = 0, y = 0, z = 0] = new Layout().add([stranger], []);
    layout.know("s", 0, Uint32Array.of(1), Float32Array.of(x, y, z));
    const [otherX = 0, otherY = 0, otherZ = 0] = layout.add([stranger], []);
    expect(Math.hypot(otherX - x, otherY - y, otherZ - z)).toBeGreaterThan(5);
  });

  it("gives the same places for the same features", () => {
    const once = new Layout().add(newcomers(0, 12), []);
    const again = new Layout().add(newcomers(0, 12), []);
    expect(again).toEqual(once);
  });
});

describe("extentOf", () => {
  it("ignores a far outlier", () => {
    const places = new Float32Array(300);
    for (let i = 0; i < 100; i += 1) places[3 * i] = i === 99 ? 9000 : 100;
    const extent = extentOf(
      places,
      Array.from({ length: 100 }, (_, i) => i),
    );
    expect(extent.radius).toBe(100);
  });
});

describe("nearest", () => {
  const nodes = [
    { index: 1, x: 10, y: 10, radius: 2 },
    { index: 2, x: 18, y: 10, radius: 2 },
  ];

  it("takes the closer of two and nothing out of reach", () => {
    expect(nearest(nodes, 15, 10)).toBe(2);
    expect(nearest(nodes, 60, 60)).toBeNull();
  });
});

describe("nameNodes", () => {
  const where = (index: number) => ({ index, x: 0, y: 0, radius: 3 });
  const CALM = {
    leads: [] as number[],
    ranked: new Map(),
    kept: new Set<number>(),
    wait: new Float32Array(5),
    chosen: null,
    hovered: null,
  };

  it("names a label once, and every feature without one", () => {
    const fired = (id: number, source: string, label?: string) =>
      feature(id, 1, { source, ...(label === undefined ? {} : { label }) });
    const features = [
      fired(1, "m/0", "capitals"),
      fired(2, "m/1", "capitals"),
      fired(5, "m/0"),
      fired(5, "m/1"),
    ];
    const { session } = streamed(started(1, ["m/0", "m/1"]), token(2, 0, "a", features));
    const nodes = session.features.map(({ index }) => index);
    const glow = Float32Array.of(1, 1, 1, 1);
    const attention = { ...CALM, glow };
    const named = [...nameNodes(nodes, where, session.features, attention)];
    const at = "≈ at “a”";
    expect(named.map(({ text, look }) => [text, look])).toEqual([
      ["capitals", "label"],
      [at, "label nameless"],
      [at, "label nameless"],
    ]);
  });

  it("begins with the strongest of the token on show, however faint they are", () => {
    const ids = [0, 1, 2, 3, 4];
    const fired = ids.map((id) => feature(id, 1, { source: "m/0", label: `name ${id}` }));
    const { session } = streamed(started(1, ["m/0"]), token(2, 0, "a", fired));
    const nodes = session.features.map(({ index }) => index);
    const glow = Float32Array.of(0.2, 1, 0.1, 0.9, 0.1);
    const attention = { ...CALM, glow, leads: [3, 0, 2] };
    const named = [...nameNodes(nodes, where, session.features, attention)];
    expect(named.map(({ id }) => id)).toEqual([3, 0, 2, 1]);
    expect(named.map(({ lead }) => lead)).toEqual([true, true, true, false]);
    const chosen = [...nameNodes(nodes, where, session.features, { ...attention, chosen: 4 })];
    expect(chosen[0]).toMatchObject({ id: 4, chosen: true });
    // A name that is there stays until the next token, and one comes with its storey's light.
    const wait = Float32Array.of(0, 0, 0, 0, 200);
    const kept = [
      ...nameNodes(nodes, where, session.features, { ...attention, kept: new Set([4]), wait }),
    ];
    expect(kept.map(({ id }) => id)).toEqual([3, 0, 2, 4, 1]);
    expect(kept.map((one) => one.wait)).toEqual([0, 0, 0, 200, 0]);
  });
});
