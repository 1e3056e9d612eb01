/** Which model runs: its name, or a choice where the server has several. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId, h, setText } from "./dom";

export class ModelView {
  private readonly name = byId("model");
  private readonly choice = byId("model-choice", HTMLSelectElement);
  private drawn = "";

  constructor(
    private readonly store: Store,
    choose: (model: string) => void,
  ) {
    this.choice.addEventListener("change", () => {
      choose(this.choice.value);
    });
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    if (this.store.model === null) return;
    const { model, models } = this.store.model;
    const several = models.length > 1;
    this.name.hidden = several;
    this.choice.hidden = !several;
    setText(this.name, model);
    const signature = JSON.stringify(models);
    if (signature !== this.drawn) {
      this.drawn = signature;
      const options = models.map(({ model: value, ready }) =>
        h("option", { value }, ready ? value : `${value} (not ready)`),
      );
      this.choice.replaceChildren(...options);
    }
    this.choice.value = model;
  }
}
