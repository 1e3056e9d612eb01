/**
 * The tip that explains an element with a `data-tip` under the pointer or the focus. Unlike a
 * `title` it comes at once, and for keyboard and touch as well.
 */
import { h, setText } from "./dom";

const GAP = 8;

export class Tip {
  private readonly element = h("div", { id: "tip", role: "tooltip", hidden: "" });
  private anchor: HTMLElement | null = null;
  private touched = false;

  constructor() {
    document.body.append(this.element);
    document.addEventListener("pointerdown", ({ pointerType }) => {
      this.touched = pointerType === "touch";
      this.hide();
    });
    document.addEventListener("pointermove", ({ target, clientX, pointerType }) => {
      if (pointerType === "touch") return;
      const anchor = anchorOf(target);
      if (!anchor) this.hide();
      else if (anchor !== this.anchor || anchor.dataset.tipX !== undefined) {
        this.show(anchor, clientX);
      }
    });
    document.addEventListener("focusin", ({ target }) => {
      const anchor = anchorOf(target);
      // A click focuses, too; only a finger needs the tip then, since it cannot hover.
      if (anchor && (this.touched || anchor.matches(":focus-visible"))) this.show(anchor);
    });
    document.addEventListener("focusout", () => this.hide());
    document.addEventListener("scroll", ({ target }) => {
      // A text that streams elsewhere scrolls, too.
      const { anchor } = this;
      if (!anchor || !(target instanceof Node) || !target.contains(anchor)) return;
      // Focus and hover may themselves have scrolled it into view.
      if (anchor.matches(":focus, :hover")) this.place(anchor.getBoundingClientRect());
      else this.hide();
    }, true); // prettier-ignore
    // Before other listeners: at a word that has a tip, Escape hides only the tip.
    addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Escape" || this.anchor === null) return;
        if (this.anchor.classList.contains("term")) event.stopImmediatePropagation();
        this.hide();
      },
      true,
    );
  }

  private show(anchor: HTMLElement, x?: number): void {
    const text = anchor.dataset.tip ?? "";
    if (text === "") {
      this.hide();
      return;
    }
    if (anchor !== this.anchor) this.hide();
    this.anchor = anchor;
    setText(this.element, text);
    this.element.hidden = false;
    anchor.setAttribute("aria-describedby", "tip");
    this.place(anchor.getBoundingClientRect(), anchor.dataset.tipX === undefined ? undefined : x);
  }

  private hide(): void {
    if (!this.anchor) return;
    this.anchor.removeAttribute("aria-describedby");
    this.anchor = null;
    this.element.hidden = true;
  }

  /** Above its anchor if there is room, and never beyond the window. */
  private place(anchor: DOMRect, x = anchor.left + anchor.width / 2): void {
    const { width, height } = this.element.getBoundingClientRect();
    const left = Math.min(innerWidth - width - GAP, Math.max(GAP, x - width / 2));
    const above = anchor.top - height - GAP;
    const top = above >= GAP ? above : anchor.bottom + GAP;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}

function anchorOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>("[data-tip]") : null;
}
