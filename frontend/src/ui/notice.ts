/** One line over the graph: a lost connection, filters that hide everything, a recording ... */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { ACTIONS } from "../words";
import { bannerOf } from "../words/status";
import { byId, h, setText } from "./dom";

type Action = keyof typeof ACTIONS;

/** `standing` is shown if there is nothing more urgent. */
export function showNotices(
  store: Store,
  standing: { readonly value: string | null },
  act: Readonly<Record<Action, () => void>>,
): void {
  const element = byId("notice");
  const words = h("span");
  const button = h("button", { type: "button", class: "small", hidden: "" });
  let action: Action | null = null;
  element.append(words, button);
  button.addEventListener("click", () => {
    if (action !== null) act[action]();
  });
  follow(() => {
    const banner = bannerOf(store, nothingShown(store));
    const urgent = banner !== null && (banner.tone === "problem" || banner.action !== undefined);
    const other = urgent ? null : standing.value;
    const text = other ?? banner?.text ?? "";
    action = other === null ? (banner?.action ?? null) : null;
    element.hidden = text === "";
    element.classList.toggle("problem", other === null && banner?.tone === "problem");
    setText(words, text);
    button.hidden = action === null;
    if (action !== null) setText(button, ACTIONS[action]);
  });
}

/** Whether filters or hidden sources leave nothing of what has fired. */
function nothingShown(store: Store): boolean {
  if (store.filters.length === 0 && store.hidden.size === 0) return false;
  const { features } = store.session;
  return features.length > 0 && !features.some((feature) => store.passes(feature));
}
