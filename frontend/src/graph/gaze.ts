/** What the camera goes to: the feature that was chosen, or the pose of somebody who is followed. */
import { Vector3 } from "three";
import type { FeatureKey } from "../state/feature";
import { untracked } from "../state/signals";
import type { Store } from "../state/store";
import type { Pose } from "../state/view";
import type { CameraRig } from "./camera";
import type { Extent } from "./extent";
import type { Placing } from "./map/placing";

export class Gaze {
  private session;
  /** The chosen feature that the camera has gone to. */
  private visited: FeatureKey | null = null;
  /** The pose that the user's own movement has given the view, and the one that it was given. */
  private own: Pose | null = null;
  private taken: Pose | null = null;
  private seen = "";

  constructor(
    private readonly store: Store,
    private readonly rig: Pick<CameraRig, "pose" | "takePose" | "visit" | "stir" | "onPose">,
    private readonly placing: Pick<Placing, "placeOf">,
    private readonly extent: () => Extent,
    /** Share of the distance that shows everything from which a feature is looked at. */
    private readonly near: () => number | undefined = () => undefined,
  ) {
    this.session = store.session;
    rig.onPose(() => {
      this.own = shifted(rig.pose, this.anchor().negate());
      store.look({ pose: this.own });
    });
  }

  /** Another session: its features have other numbers. */
  restart(): void {
    this.session = this.store.session;
    this.visited = null;
  }

  /** Goes to what was chosen, once it has a place; to be called when something has changed. */
  go(): void {
    const { pose, session } = this.store;
    if (this.session !== session) return;
    const place = this.place();
    const chosen = this.store.chosen?.key ?? null;
    // On a map it has a place before it has fired; elsewhere it gets one then.
    if (chosen !== null && place === null) return;
    const followed = pose === this.own ? null : pose;
    if (chosen === this.visited && (followed === null || followed === this.taken)) return;
    this.visited = chosen;
    this.taken = followed;
    const now = performance.now();
    if (followed) this.rig.takePose(shifted(followed, this.anchor()), now);
    else if (chosen !== null) this.rig.visit(this.anchor(), this.extent(), now, this.near());
  }

  /** What is looked at keeps the picture drifting; a viewer who comes or goes does not. */
  stir(hovered: FeatureKey | null): void {
    const seen = untracked(() => {
      const { session, playhead, wanted } = this.store;
      return [session.runs, session.tokens.length, playhead.at, wanted, hovered].join();
    });
    if (seen !== this.seen) this.rig.stir(performance.now());
    this.seen = seen;
  }

  private place(): [x: number, y: number, z: number] | null {
    const { chosen } = this.store;
    return chosen && this.placing.placeOf(chosen);
  }

  private anchor(): Vector3 {
    const place = this.place();
    return place ? new Vector3(...place) : this.extent().centre.clone();
  }
}

function shifted({ position, target }: Pose, { x, y, z }: Vector3): Pose {
  const moved = (at: Pose["target"]): Pose["target"] => [at[0] + x, at[1] + y, at[2] + z];
  return { position: moved(position), target: moved(target) };
}
