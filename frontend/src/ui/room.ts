/** The room in the bar: its link, who may generate, sharing it, and access to it. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, copyText, h, setText } from "./dom";

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

export class Share {
  private readonly dialog = byId("share-dialog", HTMLDialogElement);
  private readonly button = byId("share", HTMLButtonElement);
  private readonly code = byId("qr");
  private readonly link = byId("share-link", HTMLAnchorElement);
  private readonly copy = byId("share-copy", HTMLButtonElement);
  private readonly watching = byId("share-watching");
  private drawn = "";

  /** `publish` lets others find the room. */
  constructor(
    private readonly store: Store,
    publish: () => void,
  ) {
    this.button.addEventListener("click", () => {
      this.dialog.showModal();
      if (this.store.presence?.published === false) publish();
      void this.draw();
    });
    this.copy.addEventListener("click", () => {
      void copyText(this.url(), this.copy);
    });
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const { presence: room } = this.store;
    this.button.hidden = room === null;
    if (!room || !this.dialog.open) return;
    const others = Math.max(0, room.viewers - 1);
    const here = others === 1 ? "1 other is here" : `${others} others are here`;
    setText(this.watching, others === 0 ? "Nobody else is here yet" : here);
    void this.draw();
  }

  private url(): string {
    return new URL(`/r/${this.store.presence?.room ?? ""}`, location.href).href;
  }

  /** The library is loaded only now, so that the page does not wait for it. */
  private async draw(): Promise<void> {
    const url = this.url();
    if (url === this.drawn) return;
    this.drawn = url;
    this.link.href = url;
    setText(this.link, url.replace(/^https?:\/\//u, ""));
    this.code.replaceChildren();
    try {
      const { drawCode } = await import("./qr");
      const image = h("img", { alt: `QR code of ${url}`, src: drawCode(url) });
      if (url === this.drawn) this.code.replaceChildren(image);
      this.update();
    } catch {
      // The link stands there; the code is tried again when the dialog opens again.
      this.drawn = "";
    }
  }
}

export class AccessField {
  private readonly form = byId("access-form", HTMLFormElement);
  private readonly field = byId("access", HTMLInputElement);

  constructor(
    private readonly store: Store,
    enter: (token: string) => void,
  ) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.field.value.trim();
      if (token === "") return;
      this.field.value = "";
      enter(token);
    });
    follow(() => {
      this.form.hidden = !this.needed();
    });
  }

  private needed(): boolean {
    const { connection, room } = this.store;
    if (connection.state === "gone") return connection.code === "no_access";
    return room.stream.problem?.code === "no_access";
  }
}
