/** A twin's run and a page that shows it, for tests of edits. */
import { featureKey } from "../src/state/feature";
import { Store } from "../src/state/store";
import type { EditRequest } from "../src/wire/asking";
import type { Branch, Edit, Frame, TokenFrame } from "../src/wire/types";
import { feature, modelInfo, SOURCE, started, token } from "./frames";

export const KEY = featureKey(SOURCE, 7);
export const FEATURE = { source: SOURCE, id: 7 };
export const SILENT: Edit = { source: SOURCE, feature: 7, scale: 0, where: "while_firing" };
export const DOUBLE: Edit = { ...SILENT, scale: 2 };

const branch = (name: string, edits: Edit[] = []): Branch => ({ name, seed: "1", edits });
export const TWIN = [branch("as is"), branch("with", [SILENT])];

function of(index: number, frame: Frame): Frame {
  return { ...(frame as TokenFrame), branch: index };
}

/** Two texts that part at their second token. */
export const PARTED: Frame[] = [
  started(1, [SOURCE], TWIN),
  of(0, token(2, 0, "a", [feature(7, 5, { label: "capitals" }), feature(1, 5)])),
  of(1, token(3, 0, "a", [feature(7, 0, { edited: true, before: 5 }), feature(1, 5)])),
  of(0, token(4, 1, "b", [feature(7, 6)])),
  of(1, token(5, 1, "c", [feature(2, 6)])),
  of(1, token(6, 2, "d", [feature(2, 6)])),
];

/** A dose series whose texts are the same, but for the last word of two of them. */
export const DOSES = [branch("as is"), ...[0, 0.5, 2].map((scale) => branch(`×${scale}`, [{ ...SILENT, scale }]))]; // prettier-ignore
export const DOSED: Frame[] = [
  started(1, [SOURCE], DOSES),
  ...DOSES.map((_, i) => of(i, token(2 + i, 0, "a", [feature(7, 5, { label: "capitals" })]))),
  ...["b", "c", "b", "d"].map((text, i) => of(i, token(6 + i, 1, text, []))),
];

export function edited(seq: number, edits: Edit[], position = 4, index = 1): Frame {
  return { type: "edited", seq, branch: index, position, edits };
}

/** A presenter's page; `sent` are its messages. */
export function page(...frames: Frame[]): { store: Store; sent: EditRequest[] } {
  const store = new Store();
  const sent: EditRequest[] = [];
  store.reach.send = (message) => sent.push(message) > 0;
  store.apply({ type: "room", seq: 0, room: "r", role: "presenter", viewers: 1, open: false });
  store.set({ connection: { state: "open" } });
  for (const frame of frames) store.apply(frame);
  return { store, sent };
}

export function ready(store: Store): void {
  const facts = { hook: "", width: 99, architecture: "", neuronpedia_url: null };
  const model = modelInfo({ maxBranches: 4, sources: [{ id: SOURCE, layer: 2, ...facts }] });
  store.set({ backend: { state: "ready", model } });
}

export function all(selector: string): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>(selector)];
}

export const texts = (selector: string): string[] =>
  all(selector).map(({ textContent }) => textContent);
