/** The room in the bar: its link to share, and whether everybody in it may generate. */
import { at } from "../net/server";
import type { Store } from "../session/store";
import { byId, setText } from "./dom";

export class RoomView {
  private readonly link = byId("room", HTMLAnchorElement);
  private readonly choice = byId("open-choice");
  private readonly box = byId("open-to-all", HTMLInputElement);

  constructor(
    private readonly store: Store,
    setOpen: (open: boolean) => void,
  ) {
    this.box.addEventListener("change", () => {
      setOpen(this.box.checked);
    });
    store.subscribe(() => {
      this.update();
    });
  }

  private update(): void {
    const { room } = this.store;
    const connected = this.store.connection.state === "open";
    this.link.hidden = !room || room.published === false;
    this.choice.hidden = room?.role !== "presenter";
    this.box.disabled = !connected;
    if (!room) return;
    this.link.href = at(`r/${room.room}`).href;
    setText(this.link, `Room ${room.room}`);
    this.box.checked = room.open;
  }
}
