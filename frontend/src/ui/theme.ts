/** Dark, for a dark hall, or light, for a bright room: by the address, else as chosen last. */
import { THEME } from "../words";
import { keptTheme } from "../state/settings";
import { byId, setText } from "./dom";

export function offerTheme(query: URLSearchParams): void {
  const button = byId("theme", HTMLButtonElement);
  const show = (light: boolean): void => {
    document.documentElement.dataset.theme = light ? "light" : "dark";
    setText(button, light ? THEME.dark : THEME.light);
    button.title = light ? THEME.darkHelp : THEME.lightHelp;
  };
  button.addEventListener("click", () => {
    const light = document.documentElement.dataset.theme !== "light";
    keptTheme.save(light ? "light" : "dark");
    show(light);
  });
  show((query.get("theme") ?? keptTheme.load()) === "light");
}
