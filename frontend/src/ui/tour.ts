/** The tour: four steps over the page, shown once; the help shows it again. */
import { keptTour } from "../state/settings";
import { SAY, TOUR, TOURING } from "../words";
import { byId, h, isCovered, setText } from "./dom";

export class Tour {
  private readonly card = byId("tour");
  private readonly title = h("h2", { id: "tour-title" });
  private readonly text = h("p");
  private readonly place = h("span", { class: "quiet" });
  private readonly back = h("button", { type: "button", class: "small" }, TOURING.back);
  private readonly next = h("button", { type: "button", class: "small primary" });
  private step = 0;
  /** Where the focus was before. */
  private before: HTMLElement | null = null;

  constructor() {
    const close = h("button", { type: "button", class: "small" }, SAY.close);
    close.addEventListener("click", () => this.end());
    this.back.addEventListener("click", () => this.go(this.step - 1));
    this.next.addEventListener("click", () => this.go(this.step + 1));
    const buttons = h("div", { class: "buttons-row" }, this.place, this.back, this.next, close);
    this.card.append(this.title, this.text, buttons);
    this.card.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isCovered()) return;
      event.stopPropagation();
      this.end();
    });
    addEventListener("resize", () => this.put());
  }

  /** Shows the tour, if nobody has seen it in this browser. */
  offer(): void {
    if (keptTour.load() === null) this.begin();
  }

  /** Shows it from a step on; `focus` puts the focus on it, where somebody has asked for it. */
  begin(step = 0, focus = false): void {
    this.before = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    this.go(step);
    if (focus) this.next.focus();
  }

  private go(step: number): void {
    const shown = TOUR[step];
    if (!shown) {
      this.end();
      return;
    }
    this.step = step;
    this.card.hidden = false;
    setText(this.title, shown.title);
    setText(this.text, shown.text);
    setText(this.place, TOURING.step(step + 1, TOUR.length));
    setText(this.next, step + 1 < TOUR.length ? TOURING.next : TOURING.done);
    this.back.disabled = step === 0;
    this.mark(byId(shown.at));
    this.put();
  }

  private end(): void {
    const focused = this.card.contains(document.activeElement);
    keptTour.save("seen");
    this.card.hidden = true;
    this.mark(null);
    if (focused) (this.before?.isConnected ? this.before : byId("help")).focus();
  }

  private mark(element: HTMLElement | null): void {
    document.querySelector(".toured")?.classList.remove("toured");
    element?.classList.add("toured");
  }

  /** Beside what it is about: above it, where there is room, and within the window. */
  private put(): void {
    const about = document.querySelector(".toured");
    if (this.card.hidden || !about) return;
    const { left, top, width, bottom } = about.getBoundingClientRect();
    const { offsetWidth: wide, offsetHeight: tall } = this.card;
    const x = Math.min(innerWidth - wide - 8, Math.max(8, left + width / 2 - wide / 2));
    const above = top - tall - 12;
    const y = above >= 8 ? above : Math.min(bottom - tall - 12, innerHeight - tall - 8);
    this.card.style.transform = `translate(${x.toFixed(0)}px, ${Math.max(8, y).toFixed(0)}px)`;
  }
}
