/** Keyboard for lists: one Tab stop, arrows move, Enter or Space chooses. */

/** Makes a container's `[role=option]` children reachable; `choose` gets the option chosen. */
export function roving(list: HTMLElement, choose: (option: HTMLElement) => void): void {
  const optionOf = (target: EventTarget | null): HTMLElement | null =>
    target instanceof Element ? target.closest<HTMLElement>("[role=option]") : null;

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
    const next = neighbour(list, option, event.key);
    if (!next) return;
    event.preventDefault();
    option.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

function neighbour(list: HTMLElement, option: HTMLElement, key: string): HTMLElement | null {
  const options = [...list.querySelectorAll<HTMLElement>("[role=option]")];
  const at = options.indexOf(option);
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
  if (!option || option.tabIndex === 0) return;
  for (const other of list.querySelectorAll<HTMLElement>("[role=option][tabindex='0']")) {
    other.tabIndex = -1;
  }
  option.tabIndex = 0;
}
