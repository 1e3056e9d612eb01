/** What the page remembers between visits, in the browser's own storage. */
import type { KnobName } from "../wire/model";

const PROMPT = "axon.prompt";
const KNOB_VALUES = "axon.knobs";

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

/** Storage may be forbidden; then the page just forgets. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}
