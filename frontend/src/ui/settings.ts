/** What the page remembers between visits, in the browser's own storage. */
import type { KnobName } from "../wire/model";

const PROMPT = "axon.prompt";
const KNOB_VALUES = "axon.knobs";
const TOKENS = "axon.rooms";
const ACCESS = "axon.access";
const PACE = "axon.pace";
const TWIN = "axon.twin";
const THEME = "axon.theme";
const PINS = "axon.pinned.";
const MOST_TOKENS = 20;

export type KnobValues = Partial<Record<KnobName, string>>;

export function loadPrompt(): string | null {
  return read(PROMPT);
}

export function savePrompt(prompt: string): void {
  write(PROMPT, prompt);
}

export function loadKnobs(): KnobValues {
  try {
    const value: unknown = JSON.parse(read(KNOB_VALUES) ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

export function saveKnobs(values: KnobValues): void {
  write(KNOB_VALUES, JSON.stringify(values));
}

/** The pace chosen, in tokens a second; null for the page's own. */
export function loadPace(): string | null {
  return read(PACE);
}

export function savePace(pace: string | null): void {
  write(PACE, pace ?? "");
}

/** The theme chosen: "light" or "dark"; null for the page's own. */
export function loadTheme(): string | null {
  return read(THEME);
}

export function saveTheme(theme: string): void {
  write(THEME, theme);
}

/** Whether an edited text is to be written beside the same text without edits. */
export function loadTwin(): boolean {
  return read(TWIN) !== "off";
}

export function saveTwin(twin: boolean): void {
  write(TWIN, twin ? "on" : "off");
}

/** The presenter's token of a room that this browser opened; undefined for other rooms. */
export function loadToken(room: string): string | undefined {
  return loadTokens().find(([id]) => id === room)?.[1];
}

/** Saves a room's token, so that its presenter can reload the page. Only the newest are kept. */
export function saveToken(room: string, token: string): void {
  const others = loadTokens().filter(([id]) => id !== room);
  write(TOKENS, JSON.stringify([[room, token], ...others].slice(0, MOST_TOKENS)));
}

/** The access token that was last given, by `?access=` or in its field. */
export function loadAccess(): string | null {
  return read(ACCESS);
}

export function saveAccess(access: string | null): void {
  if (access !== null) write(ACCESS, access);
}

/** Forgets the access token and those of all rooms. */
export function forgetTokens(): void {
  try {
    for (const key of [ACCESS, TOKENS]) localStorage.removeItem(key);
  } catch {
    return; // nothing was kept either
  }
}

/** The keys of the features pinned in a room; they are kept as long as the tab is open. */
export function loadPins(room: string): string[] {
  return list(read(PINS + room, () => sessionStorage)).filter((key) => typeof key === "string");
}

export function savePins(room: string, keys: readonly string[]): void {
  write(PINS + room, JSON.stringify(keys), () => sessionStorage);
}

function loadTokens(): [string, string][] {
  return list(read(TOKENS)).filter(isPair);
}

function list(json: string | null): unknown[] {
  try {
    const value: unknown = JSON.parse(json ?? "[]");
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((x) => typeof x === "string");
}

/** Storage may be forbidden or full; then nothing is remembered. */
function read(key: string, storage = () => localStorage): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string, storage = () => localStorage): void {
  try {
    storage().setItem(key, value);
  } catch {
    return;
  }
}
