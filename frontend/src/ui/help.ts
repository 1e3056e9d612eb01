/** The help: keys, filters to begin with, and prompts that show what the bundled model knows. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { EXAMPLES, FILTERS, KEYS, REACH, TOURING, TURNS } from "../words";
import { isBusy, mayGenerate } from "../words/status";
import { byId, h, isCovered, isTyping, rovingButtons, setText } from "./dom";

/** The model trained on the small world that the examples are about. */
export const BUNDLED_MODEL = "axon-demo";

/** Shows the dialog on its button and on `?`, and calls `find` on `/`; `tour` shows the tour again. */
export function offerHelp(find: () => void, tour: () => void): void {
  const dialog = byId("help-dialog", HTMLDialogElement);
  const again = byId("tour-again");
  setText(again, TOURING.again);
  again.addEventListener("click", () => {
    // Close first: closing puts the focus back to where it was.
    dialog.close();
    tour();
  });
  byId("help-keys").append(...KEYS.flatMap(pair));
  byId("help-filters").append(...FILTERS.flatMap(({ filter, does }) => pair([filter, does])));
  const turns = TURNS.map(({ name, help }): [string, string] => [name, help]);
  turns.push([REACH.replace, REACH.replaceHelp]);
  byId("help-turns").append(...turns.flatMap(pair));
  byId("help").addEventListener("click", () => dialog.showModal());
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (isCovered()) return;
    if (event.key === "?") dialog.showModal();
    else if (event.key === "/") find();
    else return;
    event.preventDefault();
  });
}

function pair([term, meaning]: readonly [string, string]): HTMLElement[] {
  return [h("dt", {}, h("kbd", {}, term)), h("dd", {}, meaning)];
}

/** The first line of a prompt. */
export function firstLine(prompt: string): string {
  const end = prompt.indexOf("\n");
  return end < 0 ? prompt : `${prompt.slice(0, end)} …`;
}

/** Whether the examples are about the model that is there. */
export function knowsExamples({ backend }: Store): boolean {
  return backend.state === "ready" && backend.model.model === BUNDLED_MODEL;
}

/** `kept` hides the row but keeps its place, so that nothing jumps when a run begins or ends. */
export function rowState(store: Store): "shown" | "kept" | "none" {
  if (!knowsExamples(store) || !mayGenerate(store)) return "none";
  return isBusy(store) ? "kept" : "shown";
}

/** A row under the prompt and a list in the help; `fill` puts a prompt into its field. */
export function offerExamples(store: Store, fill: (prompt: string) => void): void {
  const row = byId("examples");
  const dialog = byId("help-dialog", HTMLDialogElement);
  row.append(...EXAMPLES.map((example) => buttonOf(example, fill, example.prompt)));
  rovingButtons(row);
  const listed = EXAMPLES.map((example) =>
    buttonOf(example, (prompt) => {
      // Close first: closing puts the focus back to where it was.
      dialog.close();
      fill(prompt);
    }),
  );
  byId("help-examples").append(...listed.flatMap(entryOf));
  follow(() => {
    const state = rowState(store);
    row.hidden = state === "none";
    row.classList.toggle("kept", state === "kept");
    byId("help-world").hidden = !knowsExamples(store);
    // A viewer may read the examples, but not fill them in.
    const watching = !mayGenerate(store);
    for (const button of listed) button.disabled = watching;
  });
}

function buttonOf(
  { caption, prompt }: (typeof EXAMPLES)[number],
  fill: (prompt: string) => void,
  title = "",
): HTMLButtonElement {
  const button = h("button", { type: "button", class: "example", title }, caption);
  button.addEventListener("click", () => fill(prompt));
  return button;
}

function entryOf(button: HTMLButtonElement, place: number): HTMLElement[] {
  const prompt = EXAMPLES[place]?.prompt ?? "";
  return [h("dt", {}, button), h("dd", { title: prompt, dir: "auto" }, firstLine(prompt))];
}
