/** One line over the graph: a lost connection, filters that hide everything, a recording ... */
import { follow, signal } from "../state/signals";
import type { Store } from "../state/store";
import { ACTIONS } from "../words/en";
import { bannerOf } from "../words/status";
import { byId, h, setText } from "./dom";

type Action = keyof typeof ACTIONS;

export class Notice {
  private readonly element = byId("notice");
  private readonly text = h("span");
  private readonly button = h("button", { type: "button", class: "small", hidden: "" });
  private action: Action | null = null;
  /** Shown if there is nothing more urgent. */
  readonly standing = signal<string | null>(null);

  constructor(
    private readonly store: Store,
    act: Readonly<Record<Action, () => void>>,
  ) {
    this.element.append(this.text, this.button);
    this.button.addEventListener("click", () => {
      if (this.action !== null) act[this.action]();
    });
    follow(() => {
      this.update();
    });
  }

  private update(): void {
    const banner = bannerOf(this.store, this.nothingShown());
    const urgent = banner !== null && (banner.tone === "problem" || banner.action !== undefined);
    const standing = urgent ? null : this.standing.value;
    const text = standing ?? banner?.text ?? "";
    this.action = standing !== null ? null : (banner?.action ?? null);
    this.element.hidden = text === "";
    this.element.classList.toggle("problem", standing === null && banner?.tone === "problem");
    setText(this.text, text);
    this.button.hidden = this.action === null;
    if (this.action !== null) setText(this.button, ACTIONS[this.action]);
  }

  /** Whether filters or hidden sources leave nothing of what has fired. */
  private nothingShown(): boolean {
    const { store } = this;
    const { features } = store.session;
    if (store.filters.length === 0 && store.hidden.size === 0) return false;
    return features.length > 0 && !features.some((feature) => store.passes(feature));
  }
}
