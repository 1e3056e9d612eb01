"""Example prompts of the bundled model: where they are offered, and what a click does."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import boxes, keep, overlapping
from .pages import Opener
from .stack import START_SECONDS, Stack
from .test_access import findings
from .test_page import recorded

# The last test waits until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(START_SECONDS + 120)]

CAPITAL = "The capital of France is"
SUM = "3 + 4 ="
PHONES = {"upright": (390, 844), "lying": (844, 390)}


def row(page: Page) -> Locator:
    return page.get_by_role("toolbar", name="Examples")


def example(within: Page | Locator, caption: str) -> Locator:
    return within.get_by_role("button", name=caption, exact=True)


async def ready(
    open_page: Opener, gateway: Gateway, size: str = "desktop", graph: bool = False
) -> Page:
    page = await open_page(gateway.url, size, graph)
    await expect(pages.generate_button(page)).to_be_enabled()
    return page


async def open_help(page: Page) -> Locator:
    await page.locator("body").press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    await expect(dialog).to_be_visible()
    return dialog


@pytest.mark.parametrize("size", ["desktop", "projector"])
async def test_all_captions_are_in_view(open_page: Opener, gateway: Gateway, size: str) -> None:
    page = await ready(open_page, gateway, size, graph=True)
    await expect(row(page)).to_be_visible()
    side = await page.locator("#side").bounding_box()
    assert side
    chips = await boxes(page, "#examples .example")
    assert len(chips) >= 12
    assert overlapping(chips) == []
    assert all(chip["right"] <= side["x"] + side["width"] for chip in chips)
    assert all(chip["bottom"] <= side["height"] for chip in chips)
    await keep(page, f"examples-{size}")


async def test_a_click_fills_the_prompt_and_starts_nothing(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway)
    prompt = page.get_by_label("Prompt")
    await expect(example(page, "a sum")).to_have_attribute("title", SUM)
    await example(page, "a sum").click()
    await expect(prompt).to_have_value(SUM)
    await expect(pages.generate_button(page)).to_be_focused()
    await page.wait_for_timeout(300)
    assert gateway.requests == []
    await page.keyboard.press("Enter")
    await pages.end_of_run(page)
    assert gateway.requests[-1]["prompt"] == SUM


async def test_a_program_is_filled_in_with_all_its_lines(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway)
    await example(page, "a variable that changes").click()
    value = await page.get_by_label("Prompt").input_value()
    assert value.startswith("x = 3\n")
    assert value.count("\n") >= 2
    dialog = await open_help(page)
    shown = dialog.locator("dt", has=example(page, "a variable that changes"))
    await expect(shown.locator("xpath=following-sibling::dd[1]")).to_have_text("x = 3 …")


async def test_a_click_clears_the_complaint_about_the_prompt(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway)
    await pages.generate(page, "  ")
    await expect(page.locator("#prompt-problem")).to_be_visible()
    await example(page, "a sum").click()
    await expect(page.locator("#prompt-problem")).to_be_hidden()


async def test_tab_stops_once_at_the_row_and_arrows_move_within_it(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway)
    await pages.generate_button(page).focus()
    await page.keyboard.press("Tab")
    buttons = row(page).get_by_role("button")
    await expect(buttons.first).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(buttons.nth(1)).to_be_focused()
    await page.keyboard.press("End")
    await expect(buttons.last).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("Tab")
    await expect(page.locator("summary")).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await expect(buttons.first).to_be_focused()
    await page.get_by_label("Prompt").fill("")
    await buttons.first.press("Enter")
    await expect(page.get_by_label("Prompt")).to_have_value(CAPITAL)
    await expect(pages.generate_button(page)).to_be_focused()
    assert gateway.requests == []


async def test_a_run_hides_the_examples_and_moves_nothing_else(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.step_seconds = 0.2
    page = await ready(open_page, gateway, graph=True)
    await expect(row(page)).to_be_visible()
    before = await page.locator("summary").bounding_box()
    await pages.generate(page)
    await expect(row(page)).to_be_hidden()
    await expect(pages.stop_button(page)).to_be_visible()
    assert await page.locator("summary").bounding_box() == before
    await pages.stop_button(page).click()
    await expect(row(page)).to_be_visible()


async def test_the_help_lists_the_examples_and_says_what_the_model_has_read(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway, graph=True)
    captions = await page.locator("#examples .example").all_text_contents()
    dialog = await open_help(page)
    await expect(dialog.get_by_role("heading", name="What this model knows")).to_be_visible()
    await expect(dialog).to_contain_text("one small world")
    assert await dialog.locator(".example").all_text_contents() == captions
    assert await dialog.evaluate("dialog => dialog.scrollTop") == 0
    assert await findings(page) == []
    await keep(page, "examples-help")
    await example(dialog, "a sum").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_label("Prompt")).to_have_value(SUM)
    await expect(pages.generate_button(page)).to_be_focused()
    assert gateway.requests == []


async def test_another_model_has_no_examples(
    open_page: Opener, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_stream, "MODEL", "gpt2-small")
    page = await ready(open_page, gateway)
    await expect(page.locator("#model")).to_have_text("gpt2-small")
    await expect(page.locator("#examples")).to_be_hidden()
    dialog = await open_help(page)
    await expect(dialog.locator("#help-world")).to_be_hidden()
    await expect(dialog).to_contain_text("find a feature, or filter")


async def test_a_viewer_can_read_the_examples_but_not_use_them(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + recorded(gateway), graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    await expect(page.locator("#model")).to_have_text(fake_stream.MODEL)
    await expect(page.locator("#examples")).to_be_hidden()
    dialog = await open_help(page)
    await expect(example(dialog, "a sum")).to_be_disabled()
    await expect(dialog).to_contain_text(CAPITAL)


@pytest.mark.parametrize("held", PHONES)
async def test_a_phone_shows_examples_and_generate_without_scrolling(
    open_page: Opener, gateway: Gateway, held: str
) -> None:
    page = await open_page(gateway.url, "phone")
    width, height = PHONES[held]
    await page.set_viewport_size({"width": width, "height": height})
    await expect(pages.generate_button(page)).to_be_enabled()
    await expect(row(page)).to_be_visible()
    await expect(pages.generate_button(page)).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await findings(page) == []
    await keep(page, f"examples-phone-{held}")
    last = row(page).get_by_role("button").last
    await last.click()
    await expect(page.get_by_label("Prompt")).not_to_have_value(CAPITAL)
    await expect(pages.generate_button(page)).to_be_focused()
    await expect(pages.generate_button(page)).to_be_in_viewport(ratio=1)
    if held == "upright":
        line = await row(page).bounding_box()
        assert line
        assert line["height"] < 56


async def test_on_an_upright_phone_the_controls_take_less_than_a_third(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await ready(open_page, gateway, "phone", graph=True)
    await expect(row(page)).to_be_visible()
    side = await page.locator("#side").bounding_box()
    assert side
    assert side["height"] < 844 / 3


async def test_an_example_runs_on_the_bundled_model(stack: Stack, open_page: Opener) -> None:
    page = await open_page(stack.url, graph=False)
    await expect(pages.generate_button(page)).to_be_enabled(timeout=120_000)
    await pages.set_knobs(page, {"Max tokens": 4})
    await example(page, "a sum").click()
    await pages.generate_button(page).press("Enter")
    await pages.wait_for(page, "a.origin === 'live'")
    await pages.end_of_run(page)
    assert (await pages.text(page)).startswith(SUM)
    await expect(row(page)).to_be_visible()
