/** What the page remembers between visits, in the browser's own storage. */
import type { KnobName } from "../wire/model";

/** A text that is kept; storage may be forbidden or full, and then nothing is. */
class Kept {
  constructor(
    private readonly key: string,
    private readonly storage = () => localStorage,
  ) {}

  load(): string | null {
    return this.attempt((storage) => storage.getItem(this.key)) ?? null;
  }

  /** Keeps a text; null forgets it. */
  save(text: string | null): void {
    this.attempt((storage) => {
      if (text === null) storage.removeItem(this.key);
      else storage.setItem(this.key, text);
    });
  }

  /** A list kept as JSON, as far as its items are what they should be. */
  list<T>(is: (item: unknown) => item is T): T[] {
    const value = parsed(this.load());
    return Array.isArray(value) ? value.filter(is) : [];
  }

  private attempt<T>(use: (storage: Storage) => T): T | undefined {
    try {
      return use(this.storage());
    } catch {
      return undefined;
    }
  }
}

export const keptPrompt = new Kept("axon.prompt");
/** The pace chosen, in tokens a second; none for the page's own. */
export const keptPace = new Kept("axon.pace");
/** How many tokens a second are shown; none for the page's own. */
export const keptDisplayPace = new Kept("axon.display");
/** "on" if a run is to tell the causes of its words. */
export const keptCauses = new Kept("axon.causes");
/** "on" if a prompt is to be asked as a conversation. */
export const keptChat = new Kept("axon.chat");
/** "off" if an edited text is not to be written beside the same text without edits. */
export const keptTwin = new Kept("axon.twin");
/** The access token that was last given, by `?access=` or in its field. */
export const keptAccess = new Kept("axon.access");
/** The language chosen; none for the browser's. `public/language.js` reads it, too. */
export const keptLanguage = new Kept("axon.language");
/** What this person is called in the lines of rooms. */
export const keptName = new Kept("axon.name");
/** Tells this browser from others, so that it has one vote. */
const keptVoter = new Kept("axon.voter");
/** The theme chosen: "light" or "dark"; none for the page's own. */
export const keptTheme = new Kept("axon.theme");
const keptLabels = new Kept("axon.labels");
/** "seen" once the tour was shown. */
export const keptTour = new Kept("axon.tour");
const keptKnobs = new Kept("axon.knobs");
const keptTokens = new Kept("axon.rooms");
const MOST_TOKENS = 20;

/** One's own labels of features, by key. */
export function loadLabels(): [string, string][] {
  return keptLabels.list(isPair);
}

export function saveLabels(labels: readonly (readonly [string, string])[]): void {
  keptLabels.save(JSON.stringify(labels));
}

/** Tokens a second that are shown where nobody has chosen. */
const DISPLAY_PACE = 2;

export function loadDisplayPace(): number {
  const pace = Number(keptDisplayPace.load() ?? DISPLAY_PACE);
  return pace >= 0 ? pace : DISPLAY_PACE;
}

export type KnobValues = Partial<Record<KnobName, string>>;

export function loadKnobs(): KnobValues {
  const value = parsed(keptKnobs.load());
  return typeof value === "object" && value !== null ? value : {};
}

export function saveKnobs(values: KnobValues): void {
  keptKnobs.save(JSON.stringify(values));
}

/** The presenter's token of a room that this browser opened; undefined for other rooms. */
export function loadToken(room: string): string | undefined {
  return keptTokens.list(isPair).find(([id]) => id === room)?.[1];
}

/** Saves a room's token, so that its presenter can reload the page. Only the newest are kept. */
export function saveToken(room: string, token: string): void {
  const others = keptTokens.list(isPair).filter(([id]) => id !== room);
  keptTokens.save(JSON.stringify([[room, token], ...others].slice(0, MOST_TOKENS)));
}

/** Forgets the access token and those of all rooms. */
export function forgetTokens(): void {
  for (const kept of [keptAccess, keptTokens]) kept.save(null);
}

/** The keys of the features pinned in a room; they are kept as long as the tab is open. */
export function loadPins(room: string): string[] {
  return pinsOf(room).list((key) => typeof key === "string");
}

export function savePins(room: string, keys: readonly string[]): void {
  pinsOf(room).save(JSON.stringify(keys));
}

/** This browser's name for itself in votes, drawn at the first visit. */
export function voterName(): string {
  const known = keptVoter.load();
  if (known !== null) return known;
  const drawn = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36));
  keptVoter.save(drawn.join(""));
  return drawn.join("");
}

function pinsOf(room: string): Kept {
  return new Kept(`axon.pinned.${room}`, () => sessionStorage);
}

function isPair(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((x) => typeof x === "string");
}

function parsed(json: string | null): unknown {
  try {
    return JSON.parse(json ?? "null");
  } catch {
    return null;
  }
}
