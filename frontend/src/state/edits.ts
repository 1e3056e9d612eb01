/** Edits of features as text in an address, in the words that `axon generate --edit` reads. */
import type { Edit } from "../wire/types";
import { type FeatureKey, featureKey } from "./feature";

/** Edits that a branch may have. */
export const MOST_EDITS = 8;

export type Change = Pick<Edit, "set" | "scale" | "add" | "swap_with">;

export function editedKey({ source, feature }: Edit): FeatureKey {
  return featureKey(source, feature);
}

/** The keys of the features that edits name. */
export function namedBy(edits: readonly Edit[]): FeatureKey[] {
  return edits.flatMap((edit) => {
    const { source, swap_with: other } = edit;
    return other === undefined ? [editedKey(edit)] : [editedKey(edit), featureKey(source, other)];
  });
}

/** The edits with this one instead of what they did to its feature; null for none of that feature. */
export function withChange(
  edits: readonly Edit[],
  { source, id }: { source: string; id: number },
  change: Change | null,
): Edit[] {
  const key = featureKey(source, id);
  const others = edits.filter((edit) => editedKey(edit) !== key);
  if (change === null) return others;
  const edit: Edit = { source, feature: id, ...change, where: usual(change) };
  const place = edits.findIndex((one) => editedKey(one) === key);
  return place < 0 ? [...others, edit] : others.toSpliced(place, 0, edit);
}

/** Whether both lists of edits do the same. */
export function sameEdits(a: readonly Edit[], b: readonly Edit[]): boolean {
  return a.map(editText).join() === b.map(editText).join();
}

/** `axon-demo/2-res/857 swap 804`, without what goes without saying. */
export function editText(edit: Edit): string {
  const { set, scale, add, swap_with: other, where, origin } = edit;
  const words = [editedKey(edit)];
  if (scale === 0) words.push("silence");
  else if (other !== undefined) words.push(`swap ${other}`);
  for (const [name, value] of Object.entries({ set, scale, add })) {
    if (value !== undefined && !(name === "scale" && value === 0)) words.push(`${name} ${value}`);
  }
  if (where !== usual(edit)) words.push(where.replace("_", " "));
  if (origin !== undefined) words.push(origin);
  if (edit.first_position) words.push(`from ${edit.first_position}`);
  if (edit.last_position !== undefined) words.push(`to ${edit.last_position}`);
  if (edit.include_bos) words.push("bos");
  return words.join(" ");
}

/** The edit that words describe; null if they describe none. */
export function readEdit(text: string): Edit | null {
  const [key = "", ...words] = text.trim().split(/\s+/u);
  const [, source, index] = /^(.+)\/(\d{1,9})$/u.exec(key) ?? [];
  if (source === undefined) return null;
  const told: Partial<Edit> = {};
  while (words.length > 0) {
    if (!take(words.shift() ?? "", words, told)) return null;
  }
  const changes = (["set", "scale", "add", "swap_with"] as const).filter((name) => name in told);
  if (changes.length !== 1) return null;
  return { source, feature: Number(index), where: usual(told), ...told };
}

/** Takes a word, with the one after it where it needs one. False if it means nothing. */
function take(word: string, rest: string[], told: Partial<Edit>): boolean {
  const number = (): number => Number(rest.shift() ?? NaN);
  switch (word) {
    case "silence":
      told.scale = 0;
      return true;
    case "set":
    case "scale":
    case "add":
      return Number.isFinite((told[word] = number()));
    case "swap":
      return isCount((told.swap_with = number()));
    case "from":
      return isCount((told.first_position = number()));
    case "to":
      return isCount((told.last_position = number()));
    case "everywhere":
      told.where = "everywhere";
      return true;
    case "while":
      told.where = "while_firing";
      return rest.shift() === "firing";
    case "prompt":
    case "generated":
      told.origin = word;
      return true;
    case "bos":
      return (told.include_bos = true);
    default:
      return false;
  }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function usual({ add }: Change): Edit["where"] {
  return add === undefined ? "while_firing" : "everywhere";
}
