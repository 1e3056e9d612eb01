/** Keeps the page's address in step with what is on show, so that a view can be shared. */
import { type AddressView, readView, withoutRun, withView } from "../state/address";
import type { Start } from "../state/playhead";
import { follow } from "../state/signals";
import type { Store } from "../state/store";

/** Browsers refuse an address that changes too often. */
const WRITE_MS = 300;
const REPLAY_NAMES = ["replay", "pace", "at", "run"];

export class AddressBar {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** What the address asked for and the room does not have yet. */
  private sources: readonly string[] | null;
  private feature: string | null;
  private keepsRun = true;
  private keepsReplay = true;

  constructor(private readonly store: Store) {
    const view = readView(new URLSearchParams(location.search));
    const { sources, feature, filters, links, flat } = view;
    this.sources = sources;
    this.feature = feature;
    store.look({ filters, links, flat });
    store.reach.change(view.edits);
    follow(() => {
      this.fulfil();
      this.address();
      this.writeSoon();
    });
  }

  /** A run was started: the one in the address is dropped from it. */
  forgetRun(): void {
    this.keepsRun = false;
    this.writeSoon();
  }

  /** A file of the user's own is on show: the recording in the address is dropped from it. */
  forgetReplay(): void {
    this.keepsReplay = false;
    this.write();
  }

  /** The view on show, with what the address asked for and is not there yet. */
  get view(): AddressView {
    const { view } = this.store;
    const ids = this.store.sourceIds();
    const shown = ids.filter((id) => !view.hidden.has(id));
    const sources = this.sources ?? (shown.length === ids.length ? null : shown);
    const { edits } = this.store.reach;
    return { ...view, sources, edits, feature: view.feature ?? this.feature };
  }

  /** Chooses what the address asked for as soon as it is there. */
  private fulfil(): void {
    const { store } = this;
    const ids = store.sourceIds();
    if (this.sources !== null && ids.length > 0 && store.backend.state !== "loading") {
      const hidden = ids.filter((id) => !this.sources?.includes(id));
      this.sources = null;
      // If they are another model's sources, all of this one's are shown rather than none.
      if (hidden.length < ids.length) store.look({ hidden: new Set(hidden) });
    }
    if (store.wanted !== null) this.feature = null;
    else if (this.feature !== null && store.session.feature(this.feature)) {
      store.choose(this.feature);
    }
  }

  private writeSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.write();
    }, WRITE_MS);
  }

  private write(): void {
    const search = this.address();
    if (search !== location.search) history.replaceState(null, "", location.pathname + search);
  }

  private address(): string {
    const now = new URLSearchParams(location.search);
    const query = this.keepsRun ? now : withoutRun(now);
    this.putReplay(query);
    return new URL(withView(query, this.view) || location.pathname, location.href).search;
  }

  /** A recording in the address stands at the token and the run that are on show. */
  private putReplay(query: URLSearchParams): void {
    if (!query.has("replay")) return;
    if (!this.keepsReplay) for (const name of REPLAY_NAMES) query.delete(name);
    else if (this.store.origin === "recording") {
      const { token, playing, run, runs } = this.store.playhead;
      put(query, "at", token && !playing ? String(token.index) : null);
      put(query, "run", runs > 1 ? String(run + 1) : null);
    }
  }
}

function put(query: URLSearchParams, name: string, value: string | null): void {
  if (value === null) query.delete(name);
  else query.set(name, value);
}

/** `?replay=NAME&pace=2&at=12&run=1`; null where no recording is asked for. */
export function replayWanted(query: URLSearchParams): (Start & { name: string }) | null {
  const name = query.get("replay");
  if (name === null) return null;
  const pace = Number(query.get("pace") ?? 1);
  const run = countIn(query, "run");
  return {
    name,
    speed: pace > 0 ? 1 / pace : pace === 0 ? Infinity : 1,
    at: countIn(query, "at"),
    run: run === null ? null : run - 1,
  };
}

/** A whole number from 0, null for anything else. */
function countIn(query: URLSearchParams, name: string): number | null {
  const value = query.get(name);
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null;
}
