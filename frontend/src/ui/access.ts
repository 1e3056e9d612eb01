/** A field for the access token, shown if the server requires one, and a button to forget it. */
import type { Store } from "../session/store";
import { byId } from "./dom";
import { loadAccess } from "./settings";

export class AccessField {
  private readonly form = byId("access-form", HTMLFormElement);
  private readonly field = byId("access", HTMLInputElement);

  constructor(
    private readonly store: Store,
    enter: (token: string) => void,
    forget: () => void,
  ) {
    const leave = byId("forget-access", HTMLButtonElement);
    leave.addEventListener("click", forget);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.field.value.trim();
      if (token === "") return;
      this.field.value = "";
      enter(token);
    });
    store.subscribe(() => {
      this.form.hidden = !this.needed();
      leave.hidden = loadAccess() === null || !this.form.hidden;
    });
  }

  private needed(): boolean {
    const { connection, live } = this.store;
    if (connection.state === "gone") return connection.code === "no_access";
    return live.problem?.code === "no_access";
  }
}
