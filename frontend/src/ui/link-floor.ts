/** The slider that hides links with little evidence. */
import { follow } from "../state/signals";
import type { Store } from "../state/store";
import { byId } from "./dom";

export class LinkFloor {
  private readonly slider = byId("link-floor", HTMLInputElement);

  constructor(private readonly store: Store) {
    this.slider.addEventListener("input", () => {
      store.look({ links: this.slider.valueAsNumber / 100 });
    });
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const percent = Math.round(100 * this.store.linkFloor);
    if (this.slider.valueAsNumber !== percent) this.slider.valueAsNumber = percent;
    const text = percent === 0 ? "all links shown" : `links below ${percent}% hidden`;
    this.slider.setAttribute("aria-valuetext", text);
  }
}
