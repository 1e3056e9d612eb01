import { Vector3 } from "three";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Extent } from "../src/graph/extent";
import { Gaze } from "../src/graph/gaze";
import { type Feature, featureKey } from "../src/state/feature";
import { follow } from "../src/state/signals";
import { Store } from "../src/state/store";
import type { Pose } from "../src/state/view";
import { feature, SOURCE, started, token } from "./frames";

const EXTENT: Extent = { centre: new Vector3(0, 20, 0), radius: 100, halfHeight: 80 };
const KEY = featureKey(SOURCE, 7);

/** A camera that arrives at once. */
class Camera {
  pose: Pose = { position: [0, 20, 300], target: [0, 20, 0] };
  readonly stir = vi.fn();
  /** Tells that the user has moved it. */
  tell = (): void => undefined;
  onPose(listener: (pose: Pose) => void): void {
    this.tell = () => listener(this.pose);
  }
  readonly visit = vi.fn((place: Vector3) => {
    this.pose = { position: [place.x, place.y, place.z + 100], target: place.toArray() };
  });
  readonly takePose = vi.fn((pose: Pose) => {
    this.pose = pose;
  });
}

/** A page that has seen features 1 and 7; `places` has x, y, z of each in turn. */
function looking(...places: number[]) {
  const store = new Store();
  store.apply(started(1));
  store.apply(token(2, 0, "a", [feature(1, 5), feature(7, 5)]));
  const placing = {
    places: Float32Array.from(places),
    placeOf: ({ index }: Feature): [number, number, number] | null => {
      const [x, y, z] = placing.places.subarray(3 * index, 3 * index + 3);
      return index < 0 || x === undefined ? null : [x, y ?? 0, z ?? 0];
    },
  };
  const camera = new Camera();
  const gaze = new Gaze(store, camera, placing, () => EXTENT);
  follow(() => {
    gaze.go();
    gaze.stir(store.hovered);
  });
  return { store, camera, gaze, placing };
}

function seen({ position, target }: Pose, [x = 0, y = 0, z = 0]: number[]): number[][] {
  const from = [x, y, z];
  return [position, target].map((at) => at.map((number, i) => number - (from[i] ?? 0)));
}

describe("the camera", () => {
  it("flies to a feature that is chosen, and once", () => {
    const { store, camera } = looking(1, 2, 3, 4, 5, 6);
    store.choose(KEY);
    store.apply(token(3, 1, "b", [feature(1, 5)]));
    expect(camera.visit.mock.calls.map(([place]) => place.toArray())).toEqual([[4, 5, 6]]);
  });

  it("flies to a feature that was chosen before it had a place, as by a link", () => {
    const { store, camera, gaze, placing } = looking();
    store.choose(KEY);
    expect(camera.visit).not.toHaveBeenCalled();
    placing.places = Float32Array.of(1, 2, 3, 4, 5, 6);
    gaze.go();
    expect(camera.visit).toHaveBeenCalledOnce();
  });

  it("goes on drifting for tokens and choices, but not for viewers who come and go", () => {
    const { store, camera } = looking(1, 2, 3, 4, 5, 6);
    camera.stir.mockClear();
    store.set({ connection: { state: "open" } });
    const room = { type: "room", seq: 2, room: "r", role: "presenter", open: false } as const;
    for (const viewers of [2, 3, 2]) store.apply({ ...room, viewers });
    expect(camera.stir).not.toHaveBeenCalled();
    store.apply(token(3, 1, "b", []));
    store.choose(KEY);
    expect(camera.stir).toHaveBeenCalledTimes(2);
  });
});

describe("a followed pose", () => {
  let presenter: ReturnType<typeof looking>;
  beforeEach(() => {
    presenter = looking(1, 2, 3, 40, 50, 60);
    presenter.store.choose(KEY);
    presenter.camera.pose = { position: [90, 50, 60], target: [41, 52, 63] };
  });

  function told(): Pose | null {
    presenter.camera.tell();
    return presenter.store.view.pose;
  }

  it("shows the same feature in the same way, wherever that is in this browser", () => {
    const viewer = looking(7, 8, 9, -70, 10, 5);
    viewer.store.choose(KEY);
    viewer.store.look({ pose: told() });
    expect(viewer.camera.pose).not.toEqual(presenter.camera.pose);
    expect(seen(viewer.camera.pose, [-70, 10, 5])).toEqual(
      seen(presenter.camera.pose, [40, 50, 60]),
    );
  });

  it("waits for the feature's place, and takes precedence over the flight to it", () => {
    const viewer = looking();
    viewer.store.choose(KEY);
    viewer.store.look({ pose: told() });
    expect(viewer.camera.takePose).not.toHaveBeenCalled();
    viewer.placing.places = Float32Array.of(7, 8, 9, -70, 10, 5);
    viewer.gaze.go();
    expect(viewer.camera.visit).not.toHaveBeenCalled();
    expect(viewer.camera.pose.target).toEqual([-69, 12, 8]);
  });

  it("is told from the middle if nothing is chosen", () => {
    presenter.store.choose(null);
    const viewer = looking(7, 8, 9, -70, 10, 5);
    viewer.store.look({ pose: told() });
    expect(viewer.camera.pose).toEqual(presenter.camera.pose);
  });

  it("is taken once, and is the user's own again after a move by hand", () => {
    const viewer = looking(7, 8, 9, -70, 10, 5);
    const pose = told();
    viewer.store.look({ pose });
    viewer.store.apply(token(3, 1, "b", [feature(1, 5)]));
    expect(viewer.camera.takePose).toHaveBeenCalledOnce();
    viewer.camera.tell();
    expect(viewer.store.view.pose).not.toBe(pose);
    viewer.store.choose(KEY);
    expect(viewer.camera.takePose).toHaveBeenCalledOnce();
    expect(viewer.camera.visit).toHaveBeenCalledOnce();
  });

  it("is given up for a flight when following ends", () => {
    const viewer = looking(7, 8, 9, -70, 10, 5);
    viewer.store.look({ pose: told() });
    viewer.store.look({ pose: null });
    viewer.store.choose(KEY);
    expect(viewer.camera.visit).toHaveBeenCalledOnce();
  });
});
