/** Keyboard for lists: one Tab stop, arrows move, Enter or Space chooses. */

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
    list.addEventListener(going, () => {
      tell(null);
    });
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
