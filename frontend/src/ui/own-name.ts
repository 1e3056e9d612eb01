/** One's own name for the chosen feature, and the file of all such names. */
import type { Feature } from "../state/feature";
import { labelsFile, LONGEST_LABEL, nameFeature, ownLabels, takeLabels } from "../state/own-labels";
import { follow } from "../state/signals";
import { LABELS } from "../words";
import { byId, h, setText } from "./dom";
import { save } from "./files";

/** A button that opens a field for the name, and the label that the name stands before. */
export class OwnName {
  readonly button = h("button", { type: "button", class: "small", "aria-expanded": "false" });
  private readonly field = h("input", {
    "aria-label": LABELS.yourName,
    autocomplete: "off",
    maxlength: String(LONGEST_LABEL),
  });
  private readonly form = h(
    "form",
    { class: "with-button", hidden: "" },
    this.field,
    h("button", { type: "submit", class: "small" }, LABELS.save),
  );
  private readonly label = h("p", { class: "quiet", hidden: "" });
  readonly element = h("div", { class: "own-name" }, this.label, this.form);
  private feature: Feature | null = null;

  constructor() {
    this.button.title = LABELS.nameHelp;
    this.button.addEventListener("click", () => this.open(this.form.hidden !== false));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.feature) nameFeature(this.feature.key, this.field.value);
      this.close();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      // It closes the field alone.
      event.stopPropagation();
      this.close();
    });
  }

  show(feature: Feature): void {
    if (feature.key !== this.feature?.key) this.open(false);
    this.feature = feature;
    const named = ownLabels().has(feature.key);
    setText(this.button, named ? LABELS.rename : LABELS.name);
    this.label.hidden = !named;
    setText(this.label, LABELS.itsLabel(feature.label));
  }

  private open(open: boolean): void {
    this.form.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.field.value = (this.feature && ownLabels().get(this.feature.key)) ?? "";
    this.field.focus();
  }

  private close(): void {
    this.open(false);
    this.button.focus();
  }
}

/** The menu's items that save and load one's own labels; `say` tells what came of it. */
export function offerLabels(say: (text: string) => void): void {
  const menu = byId("export-menu");
  const [taken, given] = ["export-labels", "load-labels"].map((id) => byId(id, HTMLButtonElement));
  const file = byId("labels-file", HTMLInputElement);
  if (!taken || !given) return;
  setText(taken, LABELS.export);
  setText(given, LABELS.load);
  [taken.title, given.title] = [LABELS.exportHelp, LABELS.loadHelp];
  file.setAttribute("aria-label", LABELS.load);
  taken.addEventListener("click", () => {
    menu.hidePopover();
    save(new Blob([labelsFile()], { type: "application/json" }), "axon-labels.json");
  });
  given.addEventListener("click", () => {
    menu.hidePopover();
    file.click();
  });
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    // The same file may be chosen again.
    file.value = "";
    if (chosen) void take(chosen).then(say);
  });
  follow(() => {
    taken.disabled = ownLabels().size === 0;
  });
}

async function take(file: File): Promise<string> {
  try {
    return LABELS.loaded(takeLabels(await file.text()));
  } catch (error) {
    return LABELS.notLoaded(file.name, error instanceof Error ? error.message : String(error));
  }
}
