/** The presenter's page sends where it looks; viewers' pages follow, until the user moves. */
import { follow, signal } from "../state/signals";
import type { Store } from "../state/store";
import { type Followed, readViewFrame, type View, viewRequest } from "../state/view";
import type { ViewFrame, ViewRequest } from "../wire/types";
import { byId } from "./dom";

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
  /** The filters and sources of the last view, as they came. */
  private shown = "";
  /** What was adopted of the presenter's view. */
  private adopted: Followed | null = null;
  private sent = "";
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly send: (view: ViewRequest) => boolean,
  ) {
    this.button.addEventListener("click", () => this.follow(!this.following));
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      addEventListener(type, this.noteInput, { capture: true, passive: true });
    }
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
    if (this.store.view.pose === this.adopted?.pose) this.store.look({ pose: null });
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

  private adopt(frame: ViewFrame): void {
    // It is about the room's text, not about a recording.
    if (this.store.origin === "recording") return;
    const shown = JSON.stringify([frame.filters, frame.sources]);
    const { filters, sources = null } = this.adopted ?? {};
    // The same lists again, so that nothing is filtered anew with every movement of the camera.
    const kept = shown === this.shown && filters ? { filters, sources } : {};
    this.shown = shown;
    this.adopted = { ...readViewFrame(frame), ...kept };
    this.store.look(this.adopted);
  }

  private readonly update = (): void => {
    const { presence: room, view } = this.store;
    const viewing = room?.role === "viewer";
    if (viewing && this.choseOtherwise(view)) this.stop();
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

  /** Whether the user has chosen something other than the presenter, or moved the camera. */
  private choseOtherwise(view: View): boolean {
    // The flight to what the presenter has chosen is not the user's movement.
    if (this.adopted === null || !this.meant()) return false;
    const names = Object.keys(this.adopted) as (keyof Followed)[];
    return names.some((name) => view[name] !== this.adopted?.[name]);
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
    const { store } = this;
    if (store.connection.state !== "open" || store.origin !== "live") return;
    const view = viewRequest(store.view);
    const text = JSON.stringify(view);
    if (text !== this.sent && this.send(view)) this.sent = text;
  }
}
