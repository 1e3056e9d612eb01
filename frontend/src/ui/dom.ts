/** Elements, keyboard lists and copying: what all panels are made with. */
import { figure, MEANINGS, SAY, type Term } from "../words";

type Child = Node | string | null;

/** Makes an element: `h("p", { class: "quiet" }, "text")`. `null` children are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The element with this id. Throws if the page has none of this kind. */
export function byId(id: string): HTMLElement;
export function byId<T extends HTMLElement>(id: string, kind: new () => T): T;
export function byId(id: string, kind: new () => HTMLElement = HTMLElement): HTMLElement {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/** Whether a dialog or a menu lies over the page: keys are for that alone. */
export function isCovered(): boolean {
  return document.querySelector("dialog[open], :popover-open") !== null;
}

/** Keys typed into a field are text. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select")
  );
}

/** Sets text only where it differs, so that a screen reader is not told the same twice. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A number with up to two decimals: fewer for larger numbers. */
export function short(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return figure(value, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "negative",
    useGrouping: false,
  });
}

/** The option of each list that Tab leads to. */
const stops = new WeakMap<HTMLElement, HTMLElement>();

/** Makes a container's `[role=option]` descendants reachable; `choose` gets the option chosen. */
export function roving(list: HTMLElement, choose: (option: HTMLElement) => void): void {
  list.addEventListener("click", ({ target }) => {
    const option = optionOf(target);
    if (option) choose(option);
  });
  list.addEventListener("keydown", (event) => {
    const option = optionOf(event.target);
    if (!option) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(option);
      return;
    }
    const options = [...list.querySelectorAll<HTMLElement>("[role=option]")];
    const next = neighbour(options, options.indexOf(option), event.key);
    if (!next) return;
    event.preventDefault();
    makeTabStop(list, next);
    next.focus();
  });
}

/** Makes a row's buttons one Tab stop: arrows move, Enter or Space presses as usual. */
export function rovingButtons(row: HTMLElement): void {
  const buttons = [...row.querySelectorAll("button")];
  for (const button of buttons) button.tabIndex = -1;
  makeTabStop(row, buttons[0]);
  row.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((button) => button === event.target);
    const next = at < 0 ? null : neighbour(buttons, at, event.key);
    if (!next) return;
    event.preventDefault();
    makeTabStop(row, next);
    next.focus();
  });
}

/** `tell` gets the option that the pointer or the focus is on, null when it leaves the list. */
export function attended(list: HTMLElement, tell: (option: HTMLElement | null) => void): void {
  for (const coming of ["pointerover", "focusin"]) {
    list.addEventListener(coming, ({ target }) => {
      const option = optionOf(target);
      if (option) tell(option);
    });
  }
  for (const going of ["pointerleave", "focusout"]) {
    list.addEventListener(going, () => tell(null));
  }
}

function optionOf(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>("[role=option]") : null;
}

function neighbour(options: readonly HTMLElement[], at: number, key: string): HTMLElement | null {
  switch (key) {
    case "ArrowRight":
    case "ArrowDown":
      return options[at + 1] ?? null;
    case "ArrowLeft":
    case "ArrowUp":
      return options[at - 1] ?? null;
    case "Home":
      return options[0] ?? null;
    case "End":
      return options.at(-1) ?? null;
    default:
      return null;
  }
}

/** Puts the list's one Tab stop on an option. */
export function makeTabStop(list: HTMLElement, option: HTMLElement | null | undefined): void {
  const before = stops.get(list);
  if (!option || option === before) return;
  if (before) before.tabIndex = -1;
  option.tabIndex = 0;
  stops.set(list, option);
}

const CONFIRMED_MS = 2000;

/** Copies and says so, on the button and to screen readers. */
export async function copyText(text: string, button: HTMLButtonElement): Promise<void> {
  const label = button.textContent;
  const copied = await copy(text);
  const said = copied ? SAY.copied : SAY.notCopied;
  byId("said").textContent = copied ? SAY.copiedText(text) : SAY.mayNotCopy;
  button.textContent = said;
  setTimeout(() => {
    if (button.textContent === said) button.textContent = label;
    byId("said").textContent = "";
  }, CONFIRMED_MS);
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const { activeElement } = document;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "offscreen";
  // While a modal dialog is open, nothing outside it can be selected.
  (activeElement?.closest("dialog") ?? document.body).append(field);
  field.select();
  // Deprecated, but the only way without a secure context.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const copied = document.execCommand("copy");
  field.remove();
  if (activeElement instanceof HTMLElement) activeElement.focus();
  return copied;
}

/** A word that explains itself under the pointer or the focus. */
export function explained(term: Term, shown: string): HTMLElement {
  return h("span", { class: "term", tabindex: "0", "data-tip": MEANINGS[term] }, shown);
}
