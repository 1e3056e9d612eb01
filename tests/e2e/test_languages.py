"""The page in other languages, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import keep
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = Path(__file__).parents[2] / "frontend" / "src" / "words"
#: What the page says, apart from the model's text, labels, names of sources and of features.
CHROME = """() => {
  const foreign = "#tokens, #model, #prompt, #labels, #language, #room, .name, .token, kbd, h1,"
    + " #help-examples dd, .source-name, #sources label, h2[dir], .where, #layers *";
  const said = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = !element.closest(foreign);
    if (own) for (const node of element.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) said.push(node.textContent);
    }
    if (own) for (const name of ["title", "aria-label", "placeholder", "data-tip"]) {
      // An example's title is its prompt.
      if (!element.matches(".example")) said.push(element.getAttribute(name) ?? "");
    }
  }
  return said.map(text => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


def english_words() -> set[str]:
    """The words of English sentences in the catalogue, but those that other languages share."""
    said = re.findall(r'"([^"\\\n]+)"', (WORDS / "en.ts").read_text())
    sentences = [text for text in said if re.search(r"[a-z]{2} [a-z]{2}", text)]
    return {word for text in sentences for word in re.findall(r"\b[a-z]{4,}\b", text)}


def latin_words(text: str) -> set[str]:
    """The words in Latin letters, apart from terms in brackets, what is isolated, and filters."""
    apart = r"\([^)]*\)|\u2068[^\u2069]*\u2069|\b(?:hide|keep|min|density):|circuit-tracer"
    return set(re.findall(r"\b[a-z]{4,}\b", re.sub(apart, " ", text)))


async def chrome(page: Page) -> list[str]:
    # The knobs have their ranges, and the status its last words, once the model is known.
    await expect(page.locator("#model")).to_have_text(fake_stream.MODEL)
    await page.wait_for_load_state("networkidle")
    await pages.painted(page)
    found: list[str] = await page.evaluate(CHROME)
    return found


async def direction(page: Page, selector: str) -> str:
    found: str = await page.locator(selector).evaluate("e => getComputedStyle(e).direction")
    return found


async def choose(page: Page, language: str) -> None:
    """Chooses a language by its own name; the page opens anew."""
    async with page.expect_navigation():
        await page.locator("#language").select_option(label=language)
    await pages.wait_for(page, "a.phase === 'finished'")


#: Rows of the bar's own controls: those that lie beside each other are one.
ROWS = """() => {
  const parts = "#bar > :not(#notice, #chips, #hall-tools), #hall-tools > *";
  const all = [...document.querySelectorAll(parts)].filter(e => e.checkVisibility());
  const boxes = all.map(e => e.getBoundingClientRect()).sort((a, b) => a.top - b.top);
  let [rows, bottom] = [0, -Infinity];
  for (const box of boxes) {
    if (box.top >= bottom) rows += 1;
    bottom = Math.max(bottom, box.bottom);
  }
  return rows;
}"""
LANGUAGES = ("en", "de", "fr", "es", "pt", "zh", "ja", "hi", "ar", "ru")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_bar_is_one_row_on_a_laptop_and_two_on_a_phone(
    open_page: Opener, gateway: Gateway, language: str
) -> None:
    frames = fake_stream.generation("The capital of France is", 12, 9, fake_stream.SOURCES)
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames, start=1)]
    for path in ("/r/k3f9x2", "/"):
        page = await open_page(f"{gateway.url}{path}?lang={language}", graph=False)
        await pages.wait_for(page, "a.phase === 'finished'")
        for width, height, most in ((1280, 800, 1), (390, 844, 2)):
            await page.set_viewport_size({"width": width, "height": height})
            await pages.painted(page)
            assert await page.evaluate(ROWS) <= most, (path, width)
        await page.set_viewport_size({"width": 1280, "height": 800})
        # Signs have the words that they stand for as their names.
        words = await page.locator("#share").text_content()
        await page.get_by_role("button", name=words or "-", exact=True).click()
        await page.locator("#share-close").click()
        # Beside the inspector, too; and nothing of that is cut off.
        await page.locator("#strongest-list .row").first.click()
        await pages.painted(page)
        assert await page.evaluate(ROWS) == 1, path
        inspector = page.locator("#inspector")
        await expect(inspector).to_be_visible()
        assert await inspector.evaluate("e => e.scrollWidth <= e.clientWidth")


#: Whether what is likeliest to come lies beside the title of the text, and in the same line.
FAN_IS_CLEAR = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.getElementById("text-title"));
  const title = range.getBoundingClientRect();
  return [...document.querySelectorAll(".fan li")].every(one => {
    const { left, right, top } = one.getBoundingClientRect();
    return (left >= title.right || right <= title.left) && top < title.bottom;
  });
}"""


@pytest.mark.parametrize("language", ["en", "hi", "ar"])
async def test_the_fan_keeps_off_the_title(
    open_page: Opener, gateway: Gateway, language: str
) -> None:
    page = await open_page(f"{gateway.url}/?lang={language}", graph=False)
    await pages.wait_for(page, "a.connection === 'open'")
    await page.locator("#speed").select_option("0")
    await page.locator("#prompt").fill("The capital of France is")
    await page.locator("#generate").click()
    await page.locator("#play").click()
    await expect(page.locator(".fan li").first).to_be_visible()
    assert await page.evaluate(FAN_IS_CLEAR)


async def test_arabic_is_all_the_page_says_until_english_is_chosen_again(
    open_page: Opener, gateway: Gateway
) -> None:
    frames = fake_stream.generation("The capital of France is", 12, 9, fake_stream.SOURCES)
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames, start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2", graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    english = await chrome(page)
    await choose(page, "العربية")
    root: dict[str, Any] = await page.evaluate(
        "({ ...document.documentElement.dataset }, "
        "{ lang: document.documentElement.lang, dir: document.documentElement.dir })"
    )
    assert root == {"lang": "ar", "dir": "rtl"}
    # With the inspector, the facts of a token and the help open, too.
    await page.locator("#tokens .chip").nth(6).click()
    await page.locator("#strongest-list .row").first.click()
    await page.locator("#help").click()
    await expect(page.locator("#inspector")).to_be_visible()
    words = english_words()
    assert len(words) > 300
    left = {text for text in await chrome(page) if words & latin_words(text)}
    assert left == set()
    # What is read or drawn from left to right still is.
    assert [await direction(page, place) for place in ("#tokens", "#strip", "#labels")] == [
        "ltr"
    ] * 3
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await keep(page, "language-ar")
    await page.keyboard.press("Escape")
    await expect(page.locator("#help-dialog")).to_be_hidden()
    await page.keyboard.press("Escape")
    # What is chosen stands in the address, which the page opens anew.
    await expect(page.locator("#inspector")).to_be_hidden()
    await expect(page).not_to_have_url(re.compile("feature="))
    await choose(page, "English")
    assert await direction(page, "body") == "ltr"
    assert set(english) - set(await chrome(page)) == set()
