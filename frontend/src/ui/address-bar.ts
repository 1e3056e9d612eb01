/** Keeps the page's address in step with what is on show, so that a view can be shared. */
import { readEdits, withoutRun, withView } from "../state/address";
import { readView } from "../state/view";
import type { Start } from "../state/playhead";
import { follow } from "../state/signals";
import type { Store } from "../state/store";

/** Browsers refuse an address that changes too often. */
const WRITE_MS = 300;
const REPLAY_NAMES = ["replay", "pace", "at", "run"];

export class AddressBar {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private keepsRun = true;
  private keepsReplay = true;

  constructor(private readonly store: Store) {
    const query = new URLSearchParams(location.search);
    store.look(readView(query));
    store.reach.change(readEdits(query));
    follow(() => {
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
    const { view, reach } = this.store;
    const search = withView(query, view, reach.edits);
    return new URL(search || location.pathname, location.href).search;
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

/**
 * `?replay=NAME&pace=2&at=12&run=1`; null where no recording is asked for. Where motion is to be
 * reduced (`still`), it plays by itself only if the address says how fast.
 */
export function replayWanted(
  query: URLSearchParams,
  still = false,
): (Start & { name: string }) | null {
  const name = query.get("replay");
  if (name === null) return null;
  const given = query.get("pace");
  const pace = given === null ? NaN : Number(given);
  const run = countIn(query, "run");
  return {
    name,
    speed: pace > 0 ? 1 / pace : pace === 0 || still ? Infinity : null,
    at: countIn(query, "at"),
    run: run === null ? null : run - 1,
  };
}

/** A whole number from 0, null for anything else. */
function countIn(query: URLSearchParams, name: string): number | null {
  const value = query.get(name);
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null;
}
