/** A field for the access token, shown if the server requires one. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId } from "./dom";

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
