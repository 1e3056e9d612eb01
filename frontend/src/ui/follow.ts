/** The presenter's page sends where it looks; viewers' pages follow, until the user moves. */
import { batch, follow, signal } from "../state/signals";
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
  private token: number | null = null;
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
    this.store.playhead.lead(undefined);
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

  /** `leads`: also in the text, and not in the next one, where the presenter is about to begin. */
  private adopt(frame: ViewFrame, leads = true): void {
    // It is about the room's text, not about a recording.
    if (this.store.origin === "recording") return;
    const shown = JSON.stringify([frame.filters, frame.sources]);
    const { filters, sources = null } = this.adopted ?? {};
    // The same lists again, so that nothing is filtered anew with every movement of the camera.
    const kept = shown === this.shown && filters ? { filters, sources } : {};
    this.shown = shown;
    const { token, ...view } = { ...readViewFrame(frame), ...kept };
    batch(() => {
      this.store.look(view);
      if (leads) this.store.playhead.lead(token);
    });
    this.adopted = { ...view, token: this.store.token };
  }

  private readonly update = (): void => {
    const { presence: room, view, playhead } = this.store;
    const viewing = room?.role === "viewer";
    if (viewing && this.choseOtherwise(view)) this.stop();
    // Nobody leads any more: the text goes on by itself.
    if (room?.presenting === false) this.store.playhead.lead(undefined);
    this.turnTo();
    // What the presenter has chosen opens nothing over the text of a small screen.
    const led = viewing && this.following && view.feature === this.adopted?.feature;
    document.body.classList.toggle("led", led);
    this.button.hidden = !viewing || this.newest === null;
    this.button.setAttribute("aria-pressed", String(this.following));
    const { session } = this.store;
    // The token on show; null while it is the newest that has come. So each beat is told.
    const isNewest = playhead.token === null && session.ahead === 0;
    this.token = isNewest ? null : Math.max(0, playhead.at);
    this.tellSoon();
  };

  /**
   * At a new text, a presenter tells the view anew, and who came late adopts it again: they got it
   * before the text.
   */
  private turnTo(): void {
    const { session, presence: room } = this.store;
    const { runs } = session;
    const { on } = this;
    if (on.session === session && on.runs === runs) return;
    this.on = { session, runs };
    this.sent = "";
    if (room?.role !== "viewer" || !this.following || this.newest === null) return;
    const { run } = this.store.room;
    this.adopt(
      this.newest,
      on.session !== session || (run !== null && this.store.room.missed(run)),
    );
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
    const view = viewRequest({ ...store.view, token: this.token });
    const text = JSON.stringify(view);
    if (text !== this.sent && this.send(view)) this.sent = text;
  }
}
