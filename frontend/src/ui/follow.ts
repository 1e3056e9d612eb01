/** The presenter's page sends where it looks; viewers' pages follow, until the user moves. */
import type { Pose } from "../graph/camera";
import { follow, signal } from "../state/signals";
import type { Store, View } from "../state/store";
import type { ViewFrame, ViewRequest } from "../wire/types";
import { byId } from "./dom";

/** The part of the graph that is needed to follow. */
export interface Followed {
  /** As seen from the chosen feature: its place differs from browser to browser. */
  pose(): Pose;
  /** Glides to such a pose; null for no more following. */
  follow(pose: Pose | null): void;
  /** `listener` is called when the user moves the camera. */
  onPose(listener: () => void): void;
}

/** Least time between two messages: a hand on the camera gives sixty poses a second. */
const SEND_MS = 200;
/** A change this soon after a press, a key or the wheel counts as the user's own. */
const MEANT_MS = 1000;

export class Follow {
  private readonly button = byId("follow", HTMLButtonElement);
  private readonly wish = signal(true);
  private readonly taken = signal<ViewFrame | null>(null);
  private inputAt = -Infinity;
  /** The session and the run when the view was last adopted: a new one clears what is chosen. */
  private on = { session: null as unknown, runs: 0 };
  /** Poses are sent only after the presenter has moved the camera. */
  private moved = false;
  private sent = "";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly camera: Followed | null,
    private readonly send: (view: ViewRequest) => boolean,
  ) {
    this.button.addEventListener("click", () => this.follow(!this.following));
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      addEventListener(type, this.noteInput, { capture: true, passive: true });
    }
    camera?.onPose(() => {
      this.moved = true;
      this.tellSoon();
      // The flight to what the presenter has chosen is not the user's movement.
      if (this.meant()) this.stop();
    });
    follow(this.update);
  }

  private get following(): boolean {
    return this.wish.value;
  }

  private get newest(): ViewFrame | null {
    return this.taken.value;
  }

  /** A press on the picture stops at once: the next pose may come before the camera moves. */
  private readonly noteInput = ({ target }: Event): void => {
    this.inputAt = performance.now();
    if (target instanceof HTMLCanvasElement) this.stop();
  };

  private stop(): void {
    if (!this.following) return;
    this.wish.value = false;
    this.camera?.follow(null);
  }

  /** Takes where the presenter looks now. */
  take(view: ViewFrame): void {
    this.taken.value = view;
    if (this.following) this.adopt(view);
  }

  private follow(following: boolean): void {
    this.inputAt = -Infinity;
    this.wish.value = following;
    if (following && this.newest) this.take(this.newest);
  }

  private adopt({ feature, token, pose }: ViewFrame): void {
    // It is about the room's text, not about a recording.
    if (this.store.origin === "recording") return;
    this.store.look({ feature, token });
    this.camera?.follow(readPose(pose));
  }

  private readonly update = (): void => {
    const { presence: room, view } = this.store;
    const viewing = room?.role === "viewer";
    if (viewing && this.chosenOtherwise(view)) this.stop();
    if (viewing) this.adoptAgain();
    this.button.hidden = !viewing || this.newest === null;
    this.button.setAttribute("aria-pressed", String(this.following));
    this.tellSoon();
  };

  /** Adopts the view again at a new text: a late viewer gets the view before its text. */
  private adoptAgain(): void {
    const { session } = this.store;
    const { runs } = session;
    if (this.on.session === session && this.on.runs === runs) return;
    this.on = { session, runs };
    if (this.following && this.newest !== null) this.adopt(this.newest);
  }

  private meant(): boolean {
    return performance.now() - this.inputAt < MEANT_MS;
  }

  /** Whether the user has chosen something other than the presenter. */
  private chosenOtherwise({ feature, token }: View): boolean {
    const { newest } = this;
    if (newest === null || !this.meant()) return false;
    return feature !== newest.feature || token !== newest.token;
  }

  /** Tells the viewers, if there are any. */
  private tellSoon(): void {
    const { presence: room } = this.store;
    if (room?.role !== "presenter" || room.viewers <= 1) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.tell();
    }, SEND_MS);
  }

  private tell(): void {
    const { store, camera } = this;
    if (store.connection.state !== "open" || store.origin !== "live") return;
    const { feature, token } = store.view;
    const view: ViewRequest = {
      type: "view",
      pose: this.moved && camera ? poseNumbers(camera.pose()) : [],
      feature,
      token,
    };
    const text = JSON.stringify(view);
    if (text !== this.sent && this.send(view)) this.sent = text;
  }
}

/** A tenth of a unit is less than a pixel. */
function poseNumbers({ position, target }: Pose): number[] {
  return [...position, ...target].map((number) => Math.round(10 * number) / 10);
}

function readPose(numbers: readonly number[]): Pose | null {
  const [px, py, pz, tx, ty, tz] = numbers;
  if (px === undefined || py === undefined || pz === undefined) return null;
  if (tx === undefined || ty === undefined || tz === undefined) return null;
  return { position: [px, py, pz], target: [tx, ty, tz] };
}
