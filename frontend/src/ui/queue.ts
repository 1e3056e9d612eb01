/** The line of an open room: who waits to generate, one's own place and name. */
import { keptName } from "../state/settings";
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { LINE, STATUS } from "../words";
import { byId, h, setText } from "./dom";

const LONGEST_NAME = 32;

export class Queue {
  private readonly element = byId("line");
  private readonly told = h("p", { role: "status" });
  private readonly list = h("ol");
  private readonly leave = h("button", { type: "button" }, LINE.leave);
  private readonly field = h("input", {
    type: "text",
    maxlength: String(LONGEST_NAME),
    autocomplete: "nickname",
    "aria-label": LINE.name,
    placeholder: LINE.name,
  });
  private drawn = "";

  constructor(private readonly store: Store) {
    const { hall } = store.room;
    this.element.setAttribute("aria-label", LINE.title);
    this.element.append(this.told, this.list, this.leave, this.field);
    this.field.value = keptName.load() ?? "";
    this.field.addEventListener("change", () => keptName.save(this.name || null));
    this.leave.addEventListener("click", () => hall.send({ type: "leave", place: null }));
    this.list.addEventListener("click", ({ target }) => {
      const button = target instanceof Element ? target.closest("button") : null;
      if (button) hall.send({ type: "leave", place: button.value });
    });
    follow(this.update);
  }

  /** The name that this person has given. */
  get name(): string {
    return this.field.value.trim();
  }

  private readonly update = (): void => {
    const { presence: room } = this.store;
    const { places, mine } = this.store.room.hall.line;
    const presents = room?.role === "presenter";
    this.element.hidden = room?.open !== true;
    this.field.hidden = mine !== null;
    this.leave.hidden = mine === null;
    const ahead = places.findIndex(({ id }) => id === mine);
    if (mine !== null) setText(this.told, ahead === 0 ? STATUS.next : LINE.ahead(ahead));
    else setText(this.told, places.length === 0 ? "" : LINE.waiting(places.length));
    const drawn = JSON.stringify([places, mine, presents]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.list.hidden = places.length === 0;
    this.list.replaceChildren(
      ...places.map(({ id, name }) => {
        const title = LINE.remove(name);
        const remove = { type: "button", value: id, title, "aria-label": title };
        const cross = presents && id !== mine ? h("button", remove, "×") : null;
        return h("li", { class: id === mine ? "mine" : "" }, `${name} `, cross);
      }),
    );
  };
}
