/** A recording's state in the address: which one, how fast, and the token looked at. */
import type { Start } from "../net/player";
import type { Store } from "../session/store";

/** The address is written after this long without a change: browsers limit how often. */
const REST_MS = 300;

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

/** Keeps `at` and `run` in the address of a recording as they are on the page. */
export function keepReplayInAddress(store: Store): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  store.subscribe(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      write(store);
    }, REST_MS);
  });
}

function write(store: Store): void {
  const query = new URLSearchParams(location.search);
  if (!query.has("replay") || store.origin !== "recording") return;
  const { playing, run, runs } = store.playback;
  put(query, "at", store.token && !playing ? String(store.token.index) : null);
  put(query, "run", runs > 1 ? String(run + 1) : null);
  const search = `?${query.toString()}`;
  if (search !== location.search) history.replaceState(null, "", location.pathname + search);
}

function put(query: URLSearchParams, name: string, value: string | null): void {
  if (value === null) query.delete(name);
  else query.set(name, value);
}

/** Drops the recording from the address, since a file of the user's own is on show instead. */
export function forgetReplayInAddress(): void {
  const query = new URLSearchParams(location.search);
  if (!query.has("replay")) return;
  for (const name of ["replay", "pace", "at", "run"]) query.delete(name);
  const search = query.size === 0 ? "" : `?${query.toString()}`;
  history.replaceState(null, "", location.pathname + search);
}
