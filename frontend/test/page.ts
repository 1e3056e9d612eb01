/** The page's document, for tests of what stands on it: `index.html` without its script. */
import html from "../index.html?raw";

export function openDocument(): void {
  const [, body = ""] = /<body>([^]*)<\/body>/u.exec(html) ?? [];
  document.body.innerHTML = body.replace(/<script[^]*<\/script>/u, "");
}

export function press(key: string, target: EventTarget = document.body): void {
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}
