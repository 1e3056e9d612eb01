/** The room in the bar: its link, the way back to it, and whether everybody may generate. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, setText } from "./dom";

export class RoomView {
  private readonly link = byId("room", HTMLAnchorElement);
  private readonly back = byId("back-to-room", HTMLButtonElement);
  private readonly choice = byId("open-choice");
  private readonly box = byId("open-to-all", HTMLInputElement);

  constructor(
    private readonly store: Store,
    setOpen: (open: boolean) => void,
    goBack: () => void,
  ) {
    this.box.addEventListener("change", () => {
      setOpen(this.box.checked);
    });
    this.back.addEventListener("click", goBack);
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const { presence: room, origin } = this.store;
    // In an empty room there is nothing to go back to.
    this.back.hidden = origin !== "recording" || this.store.room.stream.newest === null;
    const connected = this.store.connection.state === "open";
    this.link.hidden = !room || room.published === false;
    this.choice.hidden = room?.role !== "presenter";
    this.box.disabled = !connected;
    if (!room) return;
    this.link.href = `/r/${room.room}`;
    setText(this.link, `Room ${room.room}`);
    this.box.checked = room.open;
  }
}
