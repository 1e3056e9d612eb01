/** The knobs: seven and the seed, folded behind one line that shows their values. */
import { type KnobName, type KnobRange, KNOBS, type ModelInfo } from "../wire/model";
import type { GenerateRequest } from "../wire/asking";
import { KNOB_TEXTS, PACE, PACES, PRESETS, SAY, WHY } from "../words";
import { byId, h, setText } from "./dom";
import { keptCauses, keptPace, type KnobValues, loadKnobs, saveKnobs } from "../state/settings";

/** The knobs that a preset sets; length, features and seed are left alone. */
const STYLE_KNOBS: readonly KnobName[] = ["temperature", "top_k", "top_p", "repetition_penalty"];

type Preset = (typeof PRESETS)[number];

interface Field {
  input: HTMLInputElement;
  range: HTMLElement;
  problem: HTMLElement;
  known: KnobRange | null;
}

export class Knobs {
  private readonly details = byId("knobs", HTMLDetailsElement);
  private readonly line = byId("knobs-line");
  private readonly fields = new Map<KnobName, Field>();
  private readonly presets = new Map<Preset, HTMLButtonElement>();
  private readonly pace = h("select", { id: "pace", title: PACE.help });
  private readonly causes = h("input", { id: "causes", type: "checkbox", title: WHY.everyHelp });
  private paced = false;
  private explains = false;

  constructor() {
    const remembered = loadKnobs();
    const container = byId("knob-fields");
    for (const name of KNOBS) {
      const field = makeField(name);
      field.input.value = remembered[name] ?? "";
      field.input.addEventListener("input", () => this.changed(name));
      this.fields.set(name, field);
      container.append(wrap(name, field));
    }
    container.prepend(this.makePresets());
    container.append(this.makePace(), this.makeCauses());
    const defaults = h("button", { type: "button", class: "small" }, SAY.defaults);
    defaults.addEventListener("click", () => this.toDefaults());
    container.append(defaults);
    this.describe();
  }

  /** Takes the model's ranges and defaults; a value that was not the last model's default stays. */
  adopt(model: ModelInfo): void {
    this.paced = model.paced;
    this.explains = model.maxRemovals > 0;
    this.causes.disabled = !this.explains;
    for (const [name, field] of this.fields) {
      const before = field.known?.default ?? "";
      field.known = model.params[name] ?? null;
      field.range.textContent = rangeText(name, field.known);
      if (field.input.value === before) field.input.value = field.known?.default ?? "";
    }
    this.describe();
  }

  /** Fills in a run's values without saving them; missing ones get the model's defaults. */
  fill(values: KnobValues): void {
    for (const [name, { input, known }] of this.fields) {
      input.value = values[name] ?? known?.default ?? "";
    }
    this.clearProblems();
    this.describe();
  }

  /** The values as a request carries them; empty fields are left to the server. */
  values(): Omit<GenerateRequest, "type" | "prompt" | "messages" | "sources"> {
    const entries = [...this.fields].flatMap(([name, { input }]): [string, string | number][] => {
      const text = input.value.trim();
      if (text === "") return [];
      return [[name, name === "seed" || text === "" ? text : Number(text)]];
    });
    const pace = this.paced ? { pace: Number(this.pace.value) } : {};
    const causes = this.explains && this.causes.checked ? { explain: {} } : {};
    return { ...Object.fromEntries(entries), ...pace, ...causes };
  }

  /** The first field whose text is not a number: JSON cannot carry it, so the page reports it. */
  firstUnreadable(): KnobName | null {
    for (const [name, { input }] of this.fields) {
      const text = input.value.trim();
      if (text !== "" && !Number.isFinite(Number(text))) return name;
    }
    return null;
  }

  /** Shows what is wrong at its field and unfolds it. False when no field has this name. */
  showProblem(field: string, message: string): boolean {
    const name = field.split(".").at(-1);
    const found = this.fields.get(name as KnobName);
    if (!found) return false;
    found.problem.textContent = message;
    found.problem.hidden = false;
    found.input.setAttribute("aria-invalid", "true");
    this.details.open = true;
    found.input.scrollIntoView({ block: "nearest" });
    return true;
  }

  clearProblems(): void {
    for (const { input, problem } of this.fields.values()) {
      problem.hidden = true;
      input.removeAttribute("aria-invalid");
    }
  }

  private changed(name: KnobName): void {
    const field = this.fields.get(name);
    if (field) {
      field.problem.hidden = true;
      field.input.removeAttribute("aria-invalid");
    }
    this.remember();
    this.describe();
  }

  private makePresets(): HTMLElement {
    for (const preset of PRESETS) {
      const attributes = { type: "button", class: "small", title: preset.help };
      const button = h("button", attributes, preset.label);
      button.addEventListener("click", () => this.take(preset));
      this.presets.set(preset, button);
    }
    const attributes = { class: "presets", role: "group", "aria-label": SAY.presets };
    return h("div", attributes, ...this.presets.values());
  }

  private makePace(): HTMLElement {
    this.pace.append(...PACES.map(({ value, name }) => h("option", { value }, name)));
    this.pace.value = keptPace.load() ?? "";
    if (this.pace.value === "") this.pace.value = PACE.usual;
    this.pace.addEventListener("change", () => keptPace.save(this.pace.value));
    const label = h("label", { for: "pace", title: PACE.help }, PACE.label);
    return h("div", { class: "knob pace", title: PACE.help }, label, this.pace);
  }

  private makeCauses(): HTMLElement {
    this.causes.checked = keptCauses.load() === "on";
    this.causes.addEventListener("change", () =>
      keptCauses.save(this.causes.checked ? "on" : null),
    );
    const label = h("label", { for: "causes", title: WHY.everyHelp }, WHY.every);
    return h("div", { class: "knob causes-knob" }, label, this.causes);
  }

  private take(preset: Preset): void {
    for (const name of STYLE_KNOBS) {
      const field = this.fields.get(name);
      if (field) field.input.value = valueIn(preset, name, field);
      this.changed(name);
    }
  }

  /** Whether the knobs have a preset's values. */
  private stands(preset: Preset): boolean {
    return STYLE_KNOBS.every((name) => {
      const field = this.fields.get(name);
      if (field === undefined) return false;
      const value = field.input.value.trim();
      return [value, value === "" ? field.known?.default : null].includes(
        valueIn(preset, name, field),
      );
    });
  }

  private toDefaults(): void {
    for (const { input, known } of this.fields.values()) input.value = known?.default ?? "";
    this.pace.value = PACE.usual;
    keptPace.save(null);
    this.causes.checked = false;
    keptCauses.save(null);
    this.clearProblems();
    this.remember();
    this.describe();
  }

  /** Remembers what differs from the defaults, so that a new default is not shadowed. */
  private remember(): void {
    const values: KnobValues = {};
    for (const [name, { input, known }] of this.fields) {
      if (input.value !== (known?.default ?? "")) values[name] = input.value;
    }
    saveKnobs(values);
  }

  private describe(): void {
    const parts = [...this.fields].flatMap(([name, { input, known }]) => {
      const value = input.value.trim() || (known?.default ?? "");
      return value === "" && name !== "seed" ? [] : [KNOB_TEXTS[name].brief(value)];
    });
    for (const [preset, button] of this.presets) {
      button.setAttribute("aria-pressed", String(this.stands(preset)));
    }
    setText(this.line, parts.length > 1 ? parts.join(" · ") : SAY.settings);
  }
}

function valueIn(preset: Preset, name: KnobName, { known }: Field): string {
  const values: object = preset.values;
  return (values as KnobValues)[name] ?? known?.default ?? "";
}

function makeField(name: KnobName): Field {
  const ids = { id: `knob-${name}`, "aria-describedby": `range-${name} problem-${name}` };
  const mode = KNOB_TEXTS[name].step === "1" ? "numeric" : "decimal";
  return {
    input: h("input", { ...ids, type: "text", inputmode: mode, autocomplete: "off" }),
    range: h("span", { class: "range quiet", id: `range-${name}` }),
    problem: h("p", { class: "problem", id: `problem-${name}`, hidden: "" }),
    known: null,
  };
}

function wrap(name: KnobName, { input, range, problem }: Field): HTMLElement {
  const { label, help, step } = KNOB_TEXTS[name];
  input.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    nudge(input, (event.key === "ArrowUp" ? 1 : -1) * Number(step));
  });
  const head = h("label", { for: input.id, title: help }, label);
  return h("div", { class: `knob ${name}`, title: help }, head, input, range, problem);
}

/** Arrow keys step a value as they would in a number field. */
function nudge(input: HTMLInputElement, by: number): void {
  const value = Number(input.value);
  if (!Number.isSafeInteger(Math.trunc(value))) return;
  input.value = String(Number((value + by).toFixed(4)));
  input.dispatchEvent(new Event("input"));
}

function rangeText(name: KnobName, range: KnobRange | null): string {
  if (name === "seed") return SAY.anySeed;
  if (!range) return "";
  if (range.max === null) return range.min === null ? "" : SAY.atLeast(range.min);
  const min = name === "top_p" && range.min === "0" ? SAY.above("0") : (range.min ?? "");
  return SAY.range(min, range.max);
}
