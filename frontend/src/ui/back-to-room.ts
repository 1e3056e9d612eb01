/** The way back from a recording to what the room has streamed. */
import type { Store } from "../session/store";
import { byId } from "./dom";

export class BackToRoom {
  private readonly button = byId("back-to-room", HTMLButtonElement);
  /** In an empty room there is nothing to go back to. */
  private streamed = false;

  constructor(
    private readonly store: Store,
    go: () => void,
  ) {
    this.button.addEventListener("click", go);
    store.subscribe(() => {
      this.update();
    });
  }

  /** A frame of the room's log has come. */
  heard(): void {
    if (this.streamed) return;
    this.streamed = true;
    this.store.changed();
  }

  private update(): void {
    const { origin, session, connection } = this.store;
    this.button.hidden = !(this.streamed && origin === "recording" && session.room !== null);
    this.button.disabled = connection.state !== "open";
  }
}
