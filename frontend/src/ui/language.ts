/** The language of the page: found before it is painted (`public/language.js`), chosen in a menu. */
import { keptLanguage } from "../state/settings";
import { PAGE, speak } from "../words";
import { type Language, NAMES, TAGS } from "../words/say";
import { byId, h } from "./dom";

/** Speaks the document's language, or English if its words do not come, and fills the page in. */
export async function openLanguage(): Promise<void> {
  const page = document.documentElement;
  try {
    await speak(page.lang as Language);
    page.lang = TAGS[page.lang as Language].split("-u-")[0] ?? "";
  } catch {
    [page.lang, page.dir] = ["en", "ltr"];
  }
  fillPage();
  page.classList.remove("speechless");
}

/** Puts the words into what stands in `index.html`, which has the English ones. */
export function fillPage(): void {
  for (const [id, words] of Object.entries<Partial<Record<Place, string>>>(PAGE)) {
    for (const [place, word] of Object.entries(words)) PLACES[place as Place](byId(id), word);
  }
}

type Place = "text" | "title" | "label" | "placeholder";

const PLACES: Readonly<Record<Place, (element: HTMLElement, word: string) => void>> = {
  text: (element, word) => {
    // Beside a field that a label encloses, only the words are replaced.
    const isText = (node: Node): boolean =>
      node.nodeType === Node.TEXT_NODE && node.textContent?.trim() !== "";
    const text = [...element.childNodes].find(isText);
    if (text) text.textContent = (text.textContent ?? "").replace(/\S[^]*\S|\S/u, () => word);
    else element.append(word);
  },
  title: (element, word) => element.setAttribute("title", word),
  label: (element, word) => element.setAttribute("aria-label", word),
  placeholder: (element, word) => element.setAttribute("placeholder", word),
};

/** Offers the languages by their own names. A choice opens the page anew, where it stands. */
export function offerLanguages(): void {
  const menu = byId("language", HTMLSelectElement);
  const spoken = document.documentElement.lang.split("-")[0];
  menu.append(
    ...Object.entries(NAMES).map(([value, name]) => h("option", { value, lang: value }, name)),
  );
  menu.value = spoken ?? "en";
  menu.addEventListener("change", () => {
    keptLanguage.save(menu.value);
    const url = new URL(location.href);
    url.searchParams.delete("lang");
    location.replace(url);
  });
}
