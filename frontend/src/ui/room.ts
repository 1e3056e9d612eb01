/** The room in the bar: its link, who may generate, sharing it, and access to it. */
import { at } from "../net/server";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, copyText, h, setText } from "./dom";
import { keptAccess } from "../state/settings";
import { SAY, TAKE } from "../words";

export interface RoomActions {
  setOpen: (open: boolean) => void;
  /** Lets others find the room. */
  publish: () => void;
  /** Shows the room again after a recording. */
  back: () => void;
  /** Comes in with an access token. */
  enter: (token: string) => void;
  /** Forgets all tokens. */
  leave: () => void;
}

export function showRoom(store: Store, actions: RoomActions): void {
  const { setOpen, publish, back } = actions;
  const link = byId("room", HTMLAnchorElement);
  const backButton = byId("back-to-room", HTMLButtonElement);
  const choice = byId("open-choice");
  const box = byId("open-to-all", HTMLInputElement);
  // What the box shows. Until the gateway has answered a click, the box shows what was clicked.
  let shown: boolean | null = null;
  box.addEventListener("change", () => setOpen(box.checked));
  backButton.addEventListener("click", back);
  follow(() => {
    const { presence: room, origin, connection } = store;
    // In an empty room there is nothing to go back to.
    backButton.hidden = origin !== "recording" || store.room.run === null;
    link.hidden = !room || room.published === false;
    choice.hidden = room?.role !== "presenter";
    box.disabled = connection.state !== "open";
    if (!room) return;
    link.href = at(`r/${room.room}`).href;
    setText(link, SAY.room(room.room));
    if (room.open !== shown) box.checked = shown = room.open;
  });
  offerAccess(store, actions);
  new Share(store, publish);
}

/** The dialog with the room's link in large type, and a QR code for the hall. */
export class Share {
  private readonly dialog = byId("share-dialog", HTMLDialogElement);
  private readonly button = byId("share", HTMLButtonElement);
  private readonly code = byId("qr");
  private readonly link = byId("share-link", HTMLAnchorElement);
  private readonly copy = byId("share-copy", HTMLButtonElement);
  private drawn = "";

  constructor(
    private readonly store: Store,
    publish: () => void,
  ) {
    this.button.addEventListener("click", () => {
      this.dialog.showModal();
      if (store.presence?.published === false) publish();
      this.update();
    });
    this.copy.addEventListener("click", () => {
      void copyText(this.url(), this.copy);
    });
    follow(this.update);
  }

  private readonly update = (): void => {
    const { presence: room } = this.store;
    this.button.hidden = room === null;
    if (!room || !this.dialog.open) return;
    const others = Math.max(0, room.viewers - 1);
    setText(byId("share-watching"), others === 0 ? SAY.nobody : SAY.others(others));
    void this.draw();
  };

  private url(): string {
    return at(`r/${this.store.presence?.room ?? ""}`).href;
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
      const image = h("img", { alt: SAY.code(url), src: drawCode(url) });
      if (url === this.drawn) this.code.replaceChildren(image);
    } catch {
      // The link stands there; the code is tried again when the dialog opens again.
      this.drawn = "";
    }
  }
}

/** A viewer's link to a room of its own, with a copy of what this one has streamed. */
export function offerTaking(store: Store): void {
  const link = h("a", { id: "take", target: "_blank", title: TAKE.help }, TAKE.take);
  byId("hall-tools").append(link);
  follow(() => {
    const { presence: room } = store;
    link.hidden = room?.role !== "viewer" || store.room.run === null;
    if (room) link.href = at(`?take=${room.room}`).href;
  });
}

/** A button that goes back to what was generated in the room before. */
export function offerEarlier(store: Store, goBack: () => void): void {
  const attributes = { type: "button", id: "earlier", title: TAKE.earlierHelp };
  const button = h("button", attributes, TAKE.earlier);
  byId("hall-tools").append(button);
  button.addEventListener("click", goBack);
  follow(() => {
    button.hidden = store.origin !== "live" || store.room.hall.generations < 2;
  });
}

/** A field for the access token, shown if the server requires one, and a button to forget it. */
function offerAccess(store: Store, { enter, leave }: RoomActions): void {
  const form = byId("access-form", HTMLFormElement);
  const field = byId("access", HTMLInputElement);
  const signOut = byId("forget-access", HTMLButtonElement);
  signOut.addEventListener("click", leave);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = "";
    if (token !== "") enter(token);
  });
  follow(() => {
    const { connection, room } = store;
    const refused = connection.state === "gone" ? connection : room.problem;
    form.hidden = refused?.code !== "no_access";
    signOut.hidden = keptAccess.load() === null || !form.hidden;
  });
}
