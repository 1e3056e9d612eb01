/**
 * Finds the page's language: the address's (`?lang=de`), which is kept, else the one chosen before,
 * else the browser's. It runs before anything is painted, so that another language's words, whose file is
 * still to come, do not follow a flash of English ones; see `.speechless` in page.css.
 */
(() => {
  const languages = ["en", "de", "fr", "es", "pt", "zh", "ja", "hi", "ar", "ru"];
  const spoken = (tag) => languages.find((code) => code === tag?.toLowerCase().split("-")[0]);
  let chosen = spoken(new URLSearchParams(location.search).get("lang"));
  try {
    if (chosen) localStorage.setItem("axon.language", chosen);
    chosen ??= spoken(localStorage.getItem("axon.language"));
  } catch {
    // Storage may be forbidden.
  }
  const page = document.documentElement;
  page.lang = chosen ?? navigator.languages.map(spoken).find(Boolean) ?? "en";
  page.dir = page.lang === "ar" ? "rtl" : "ltr";
  page.classList.toggle("speechless", page.lang !== "en");
})();
