import { Vector3 } from "three";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CameraRig } from "../src/graph/camera";
import type { Extent } from "../src/graph/extent";

const EXTENT: Extent = { centre: new Vector3(), radius: 100, halfHeight: 80 };
const POSE = { position: [0, 0, 300], target: [10, 0, 0] } as const;
const SECOND = 1000;
const FRAME = 16;

function rigOf(stillness: boolean) {
  vi.stubGlobal("matchMedia", () => ({ matches: stillness }));
  const element = new EventTarget() as EventTarget & Record<string, unknown>;
  Object.assign(element, { style: {}, getRootNode: () => element, ownerDocument: element });
  const moved = vi.fn();
  return { rig: new CameraRig(element as unknown as HTMLElement, moved), moved };
}

function pose(): { position: [number, number, number]; target: [number, number, number] } {
  return { position: [...POSE.position], target: [...POSE.target] };
}

describe("CameraRig", () => {
  beforeEach(() => {
    vi.stubGlobal("document", new EventTarget());
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("drifts while something happens, and stops after a long time without events", () => {
    const { rig } = rigOf(false);
    rig.stir(0);
    rig.update(0, true);
    const before = rig.pose.position;
    expect(rig.update(SECOND, true)).toBe("drifting");
    expect(rig.pose.position).not.toEqual(before);
    expect(rig.update(600 * SECOND, true)).toBe("still");
    rig.stir(600 * SECOND);
    expect(rig.update(601 * SECOND, true)).toBe("drifting");
  });

  it("does not drift under reduced motion or when drifting is off", () => {
    expect(rigOf(true).rig.update(FRAME, true)).toBe("still");
    expect(rigOf(false).rig.update(FRAME, false)).toBe("still");
  });

  it("glides to a pose, asks for frames on the way, and comes to rest there", () => {
    const { rig, moved } = rigOf(false);
    rig.takePose(pose(), 0);
    expect(moved).toHaveBeenCalled();
    expect(rig.update(FRAME, false)).toBe("moving");
    expect(rig.pose.position).not.toEqual(POSE.position);
    for (let now = 2 * FRAME; now < 2 * SECOND; now += FRAME) rig.update(now, false);
    expect(rig.update(3 * SECOND, false)).toBe("still");
    rig.pose.position.forEach((x, i) => {
      expect(x).toBeCloseTo(POSE.position[i] ?? 0);
    });
  });

  it("jumps to a pose under reduced motion", () => {
    const { rig } = rigOf(true);
    rig.takePose(pose(), 0);
    expect(rig.pose).toEqual(pose());
  });

  it("is turned and brought nearer by keys, around what it looks at", () => {
    const { rig, moved } = rigOf(false);
    const told = vi.fn();
    rig.onPose(told);
    const [{ position, target }, distance] = [rig.pose, rig.distance];
    moved.mockClear();
    const press = (key: string): void => {
      expect(rig.key(key)).toBe(true);
      for (let i = 0; i < 100; i += 1) rig.update(performance.now() + i * FRAME, true);
    };
    press("ArrowRight");
    expect(moved).toHaveBeenCalled();
    expect(rig.pose.position[0]).toBeGreaterThan(position[0] + 10);
    expect([rig.pose.target, Math.round(rig.distance)]).toEqual([target, Math.round(distance)]);
    press("+");
    expect(rig.distance).toBeLessThan(0.95 * distance);
    expect(told).toHaveBeenCalled();
    expect([rig.free, rig.key("a")]).toEqual([false, false]);
  });

  it("tells its pose when a button has moved it, but not when it fits by itself", () => {
    const told: unknown[] = [];
    const { rig } = rigOf(false);
    rig.onPose((at) => told.push(at));
    const run = (from: number): void => {
      for (let now = from; now < from + 2 * SECOND; now += FRAME) rig.update(now, false);
    };
    rig.fit(EXTENT, 0);
    run(0);
    expect(told).toEqual([]);
    rig.fit({ ...EXTENT, radius: 300 }, 2 * SECOND, true);
    run(2 * SECOND);
    // A flight of 0.9 s, at most five times a second.
    expect(told.length).toBeGreaterThan(1);
    expect(told.length).toBeLessThan(7);
    expect(told.at(-1)).toEqual(rig.pose);
  });
});
