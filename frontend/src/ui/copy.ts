/** Copies text, even if the page has no clipboard, as over plain HTTP in a lecture hall. */
import { byId } from "./dom";

const CONFIRMED_MS = 2000;

/** Copies and says so, on the button and to screen readers. */
export async function copyText(text: string, button: HTMLButtonElement): Promise<void> {
  const label = button.textContent;
  const copied = await copy(text);
  const said = copied ? "Copied" : "Not copied";
  byId("said").textContent = copied
    ? `Copied: ${text}`
    : "Not copied: the browser did not allow it.";
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
