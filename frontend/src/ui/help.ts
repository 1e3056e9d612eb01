/** The keys, and a dialog that lists them. */
import { byId, h, isCovered } from "./dom";

/** The page's keys, as the dialog lists them. */
const KEYS: readonly [keys: string, does: string][] = [
  ["Enter", "in the prompt: generate (Shift+Enter for a new line)"],
  ["/", "find a feature, or filter"],
  ["Arrow keys, Home, End", "move in the text and in every list"],
  ["Arrow keys, Page keys", "on the timeline: go through the text token by token"],
  ["Arrow keys, + and -", "on the graph: turn it, come nearer"],
  ["Enter or Space", "choose the token or feature"],
  ["Esc", "clear the choice, or close what is open"],
  ["?", "this list"],
];

/** Filters to begin with: labels such as “someone is in the kitchen” and “the word "key"”. */
export const FILTERS: readonly [filter: string, does: string][] = [
  ["hide: promotes", "hides features whose label has this word"],
  ["hide: /the word/", "hides labels that match the expression, here those of single words"],
  ["keep: /someone is in/", "shows only labels that match, here where people and animals are"],
  ["keep: /answer|sad/", "shows only labels with one or the other"],
  ["hide: /^#/", "hides features without a label"],
  ["min: 20%", "shows only features that reached a fifth of their full strength"],
  [
    "density: <1%",
    "shows features that fire on less than 1% of all text, and those never measured",
  ],
];

/** Shows the dialog on its button and on `?`, and calls `find` on `/`. */
export function offerHelp(find: () => void): void {
  const dialog = byId("help-dialog", HTMLDialogElement);
  byId("help-keys").append(...KEYS.flatMap(pair));
  byId("help-filters").append(...FILTERS.flatMap(pair));
  byId("help").addEventListener("click", () => {
    dialog.showModal();
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (isCovered()) return;
    if (event.key === "?") dialog.showModal();
    else if (event.key === "/") find();
    else return;
    event.preventDefault();
  });
}

function pair([term, meaning]: [string, string] | readonly [string, string]): HTMLElement[] {
  return [h("dt", {}, h("kbd", {}, term)), h("dd", {}, meaning)];
}

/** Keys typed into a field are text. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select")
  );
}
