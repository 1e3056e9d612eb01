/** Presenting: no chrome, the text as subtitles; a clicker's keys work wherever the focus is. */
import type { Store } from "../state/store";
import { STAGE } from "../words";
import { byId, isCovered, isTyping, setText } from "./dom";

/** What Enter and Space press by themselves. */
const PRESSED = "button,a,summary,input,[role=option],[role=slider]";

export function offerPresenting(store: Store, query: URLSearchParams): void {
  const button = byId("present", HTMLButtonElement);
  const { classList } = document.body;
  const present = (on: boolean): void => {
    classList.toggle("presenting", on);
    button.setAttribute("aria-pressed", String(on));
    // No element that is hidden now takes the clicker's keys.
    if (on && document.activeElement instanceof HTMLElement) document.activeElement.blur();
  };
  setText(button, STAGE.present);
  button.title = STAGE.presentHelp;
  button.addEventListener("click", () => {
    present(true);
    const { documentElement: all } = document;
    // Not every browser can, and it may refuse: the page fills its window then.
    if ("requestFullscreen" in all) void all.requestFullscreen().catch(() => undefined);
  });
  document.addEventListener("fullscreenchange", () => {
    if (document.fullscreenElement === null) present(false);
  });
  // Before other listeners: Escape ends the presentation, and only that.
  addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || !classList.contains("presenting") || isCovered()) return;
      event.stopImmediatePropagation();
      if (document.fullscreenElement) void document.exitFullscreen();
      present(false);
    },
    true,
  );
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || isCovered()) return;
    if (event.key === "f" || event.key === "F") present(!classList.contains("presenting"));
    else if (!click(store, event, classList.contains("presenting"))) return;
    event.preventDefault();
  });
  if (query.has("present")) present(true);
}

/** What a clicker's key does; false where it is another key, or means something else here. */
function click({ playhead }: Store, { key, target }: KeyboardEvent, presenting: boolean): boolean {
  const free = presenting || !(target instanceof Element && target.closest(PRESSED));
  const forward = [
    "PageDown",
    ...(free ? ["ArrowRight"] : []),
    ...(presenting ? ["ArrowDown"] : []),
  ];
  const back = ["PageUp", ...(free ? ["ArrowLeft"] : []), ...(presenting ? ["ArrowUp"] : [])];
  if (forward.includes(key)) playhead.step(1);
  else if (back.includes(key)) playhead.step(-1);
  else if (key === " " && free) playhead.toggle();
  else return false;
  return true;
}
