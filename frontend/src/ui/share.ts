/** The dialog that shares a room: its link in large type, and a QR code for the hall. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { copyText } from "./copy";
import { byId, h, setText } from "./dom";

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
