// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { Tip } from "../src/ui/tip";

function open(): { term: HTMLElement; tip: HTMLElement; list: HTMLElement } {
  document.body.innerHTML = '<div id="list"><button data-tip="what it means">term</button></div>';
  new Tip();
  const [list, term, tip] = ["#list", "button", "#tip"].map((name) =>
    document.querySelector<HTMLElement>(name),
  );
  if (!list || !term || !tip) throw new Error("the page is not whole");
  return { list, term, tip };
}

it("stays at a word whose focus has scrolled it into view", () => {
  const { term, tip, list } = open();
  term.focus();
  term.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
  expect(tip.hidden).toBe(false);
  list.dispatchEvent(new Event("scroll"));
  expect(tip.hidden).toBe(false);
});

it("goes when its word is scrolled away from the pointer", () => {
  const { term, tip, list } = open();
  term.dispatchEvent(new PointerEvent("pointermove", { bubbles: true }));
  expect(tip.hidden).toBe(false);
  list.dispatchEvent(new Event("scroll"));
  expect(tip.hidden).toBe(true);
});
