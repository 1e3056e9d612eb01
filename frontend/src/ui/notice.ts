/** One line over the graph: a lost connection, filters that hide everything, a recording ... */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { ACTIONS, SAY } from "../words";
import { type Banner, bannerOf, isBusy, mayGenerate } from "../words/status";
import { byId, h, setText } from "./dom";

type Action = keyof typeof ACTIONS;

/**
 * `standing` is shown if there is nothing more urgent. `linked`: a link has filled in a run, which can
 * be started here as long as nothing has run.
 */
export function showNotices(
  store: Store,
  standing: { readonly value: string | null },
  linked: { readonly value: boolean },
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
    const invitation = linked.value && mayRun(store) ? invite() : null;
    const banner = bannerOf(store, nothingShown(store)) ?? invitation;
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

function invite(): Banner {
  return { text: SAY.linkedRun, tone: "busy", action: "run-link" };
}

/** Whether Generate can be pressed, and nothing is on show yet. */
function mayRun(store: Store): boolean {
  const ready = store.backend.state === "ready" && store.connection.state === "open";
  return ready && mayGenerate(store) && !isBusy(store) && store.session.run === null;
}

/** Whether filters or hidden sources leave nothing of what has fired. */
function nothingShown(store: Store): boolean {
  if (store.filters.length === 0 && store.hidden.size === 0) return false;
  const { features } = store.session;
  return features.length > 0 && !features.some((feature) => store.passes(feature));
}
