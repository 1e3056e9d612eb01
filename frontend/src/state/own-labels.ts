/**
 * One's own names for features, kept in this browser. Wherever a label is shown, one's own stands in
 * its place and says whose it is. The file of them is what the gateway reads as
 * `AXON_LABEL_OVERRIDES`: `{"gpt2-small/8-res-jb/17": "capitals"}`.
 */
import { LABELS } from "../words";
import { asObject } from "../wire/check";
import { loadLabels, saveLabels } from "./settings";
import { signal } from "./signals";

/** `source/index`, as in `feature.ts`, which needs these names. */
type FeatureKey = string;

/** As the gateway has it. */
export const LONGEST_LABEL = 500;
const FORM = /^.+\/[0-9]{1,10}$/u;

const own = signal<ReadonlyMap<FeatureKey, string>>(new Map(loadLabels()));

/** Another one when any of them has changed. */
export function ownLabels(): ReadonlyMap<FeatureKey, string> {
  return own.value;
}

/** The label to show of a feature, whose known one is given: one's own, marked as such, first. */
export function shownLabel<T extends string | null | undefined>(
  key: FeatureKey,
  label: T,
): T | string {
  const mine = own.value.get(key);
  return mine === undefined ? label : LABELS.yours(mine);
}

/** Names a feature; a name without letters takes one's own away. */
export function nameFeature(key: FeatureKey, name: string): void {
  const labels = new Map(own.peek());
  const words = clean(name).slice(0, LONGEST_LABEL);
  if (words === "") labels.delete(key);
  else labels.set(key, words);
  keep(labels);
}

/** The file of all of them, by source and index. */
export function labelsFile(): string {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const sorted = [...own.value].sort(([a], [b]) => compare(a, b));
  return `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`;
}

/** Takes in such a file, over those that are there; returns how many. Throws what is wrong with it. */
export function takeLabels(text: string): number {
  const found = Object.entries(asObject(JSON.parse(text), LABELS.file));
  const read = found.map(([key, label]): [FeatureKey, string] => {
    if (!FORM.test(key) || typeof label !== "string") throw new Error(LABELS.form(key));
    const words = clean(label);
    if (words === "" || words.length > LONGEST_LABEL) throw new Error(LABELS.length(key));
    return [key, words];
  });
  keep(new Map([...own.peek(), ...read]));
  return read.length;
}

function keep(labels: ReadonlyMap<FeatureKey, string>): void {
  own.value = labels;
  saveLabels([...labels]);
}

/** One blank between words, as the gateway reads it. */
function clean(text: string): string {
  return text.trim().split(/\s+/u).join(" ");
}
