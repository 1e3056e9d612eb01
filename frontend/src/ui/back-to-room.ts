/** The way back from a recording to what the room has streamed. */
import type { Store } from "../session/store";
import { byId } from "./dom";

export function offerTheRoom(store: Store, go: () => void): void {
  const button = byId("back-to-room", HTMLButtonElement);
  button.addEventListener("click", go);
  store.subscribe(() => {
    // In an empty room there is nothing to go back to.
    button.hidden = store.origin !== "recording" || store.live.runs === 0;
  });
}
