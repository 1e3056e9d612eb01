"""The inspector: what is known of a feature, pins, copying, and explanations of its words."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import SIZES as PIXELS
from .looks import boxes, keep, overlapping
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = ("desktop", "phone")


async def open_room(open_page: Opener, gateway: Gateway, size: str = "desktop") -> Page:
    """A viewer's page with a whole generation on it."""
    frames = fake_stream.generation("The capital of France is", 40, 15, fake_stream.SOURCES)
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames, start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2", size, graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    return page


def inspector(page: Page) -> Locator:
    return page.get_by_label("Chosen feature")


def spark(page: Page) -> Locator:
    return page.get_by_role("slider", name="Tokens where it fires")


async def choose(page: Page, token: str = "Rome") -> str:
    """Selects a token, chooses its strongest feature, and returns the feature's key."""
    await page.locator("#tokens").get_by_role("option", name=token, exact=True).click()
    await expect(page.locator("#strongest-title")).to_have_text(f"Strongest at “{token}”")
    await page.locator("#strongest-list [role=option]").first.click()
    await expect(inspector(page)).to_be_visible()
    return str(await page.evaluate("axon.chosen"))


@pytest.mark.parametrize("size", SIZES)
async def test_the_inspector_shows_all_that_is_known(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_room(open_page, gateway, size)
    key = await choose(page)
    source, _, index = key.rpartition("/")
    panel = inspector(page)
    await expect(panel).to_contain_text(source)
    await expect(panel).to_contain_text(f"#{index}")
    await expect(panel).to_contain_text(re.compile(r"activation \d+\.\d+ \(highest known 14\.5\)"))
    for words in ("Density1% of all tokens", "Label byrecipe", "Label score0.93 of 1", "Peak"):
        await expect(panel).to_contain_text(words)
    promoted = panel.locator(".effects").first.locator("li")
    assert await promoted.first.text_content() == "␣Paris+1.50"
    assert await promoted.last.text_content() == "⇥+0.94"
    assert await panel.locator(".effects").nth(1).text_content() == "↵−1.25"
    # Of the two features with similar weights, only the one that has fired here has a name.
    assert await panel.locator(".effects").nth(2).text_content() == "text goes on0.42#10130.30"
    await expect(panel.get_by_role("button", name="text goes on")).to_be_enabled()
    neighbours = panel.get_by_role("listbox", name="Fires together with").get_by_role("option")
    assert await neighbours.count() == 8
    weights = await neighbours.locator(".second").all_text_contents()
    assert [float(weight) for weight in weights] == sorted(map(float, weights), reverse=True)
    link = panel.get_by_role("link", name="Open on Neuronpedia")
    await expect(link).to_have_attribute("href", f"https://www.neuronpedia.org/{key}")
    assert overlapping(await boxes(page, "#inspector .effects li")) == []
    wide, _ = PIXELS[size]
    assert await page.evaluate("document.documentElement.scrollWidth") <= wide
    await keep(page, f"inspector-{size}")


@pytest.mark.parametrize("size", SIZES)
async def test_the_sparkline_moves_through_the_tokens(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_room(open_page, gateway, size)
    await choose(page)
    strip = spark(page)
    await expect(strip).to_have_attribute("aria-valuenow", "14")
    await expect(strip).to_have_attribute("aria-valuetext", re.compile("“Rome”, activation"))
    # Arrow keys move from firing to firing: the one before “Rome” is at “capital”.
    await strip.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(strip).to_have_attribute("aria-valuetext", re.compile("“capital”, activation"))
    await expect(page.locator("#strongest-title")).to_have_text("Strongest at “capital”")
    box = await strip.bounding_box()
    assert box
    await page.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)
    await expect(strip).to_have_attribute("aria-valuetext", re.compile("“start”, silent"))
    await expect(inspector(page)).to_contain_text("activation none (highest known")


async def test_a_pinned_feature_stays_listed(open_page: Opener, gateway: Gateway) -> None:
    page = await open_room(open_page, gateway)
    key = await choose(page)
    await inspector(page).get_by_role("button", name="Pin").click()
    await expect(inspector(page).get_by_role("button", name="Unpin")).to_be_visible()
    pinned = page.get_by_role("listbox", name="Pinned").get_by_role("option")
    await expect(pinned).to_have_count(1)
    await expect(pinned).to_have_attribute("data-key", key)
    here = await pinned.locator(".figure").last.text_content()
    await page.get_by_role("button", name="Step back").click()
    await expect(pinned.locator(".figure").last).not_to_have_text(str(here))
    await page.keyboard.press("Escape")
    await choose(page, "bread")
    await inspector(page).get_by_role("button", name="Pin").click()
    await expect(pinned).to_have_count(2)
    await keep(page, "pinned")
    rows = await boxes(page, "#strongest-list .row, #pinned-list .row")
    assert overlapping(rows[:7]) == []
    # Pins last as long as the tab, so also through a reload.
    await page.reload()
    await expect(pinned).to_have_count(2)
    await pinned.first.click()
    await expect(inspector(page)).to_contain_text(f"#{key.rpartition('/')[2]}")
    await inspector(page).get_by_role("button", name="Unpin").click()
    await expect(pinned).to_have_count(1)


async def test_a_feature_is_copied_as_text_and_the_page_says_so(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_room(open_page, gateway)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    key = await choose(page)
    source, _, index = key.rpartition("/")
    name = await inspector(page).get_by_role("heading", level=2).text_content()
    await inspector(page).get_by_role("button", name="Copy").click()
    await expect(inspector(page).get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{name} ({source} #{index})"
    await expect(page.locator("#said")).to_have_text(f"Copied: {copied}")
    await expect(inspector(page).get_by_role("button", name="Copy")).to_be_visible()


async def test_without_label_store_the_inspector_says_that_no_more_is_known(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.labels_on = False
    page = await open_room(open_page, gateway)
    await choose(page)
    await expect(inspector(page)).to_contain_text(
        "Nothing more is known about this feature right now."
    )
    await expect(inspector(page)).to_contain_text(re.compile(r"highest known \d+\.\d+"))
    await expect(inspector(page).locator(".effects")).to_have_count(0)
    await keep(page, "inspector-unknown")


async def test_words_have_tooltips_that_explain_them(open_page: Opener, gateway: Gateway) -> None:
    page = await open_room(open_page, gateway)
    await choose(page)
    tip = page.get_by_role("tooltip")
    for word, meaning in {
        "activation": "How strongly a feature fires",
        "Density": "Share of the tokens of a large text",
        "Label by": "Who wrote the label",
        "Label score": "How well the label predicts",
        "axon-demo/": "one sparse autoencoder",
    }.items():
        term = inspector(page).locator(".term", has_text=word).first
        await term.hover()
        await expect(tip).to_contain_text(meaning)
        box = await tip.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PIXELS["desktop"][0]
        await page.mouse.move(5, 5)
        await expect(tip).to_be_hidden()
        # By keyboard, too; Escape hides the tooltip and keeps the chosen feature.
        await page.keyboard.press("Tab")
        await term.focus()
        await expect(tip).to_contain_text(meaning)
        await page.keyboard.press("Escape")
        await expect(tip).to_be_hidden()
        await expect(inspector(page)).to_be_visible()


async def test_l0_and_feature_are_explained_as_well(open_page: Opener, gateway: Gateway) -> None:
    page = await open_room(open_page, gateway)
    await choose(page)
    tip = page.get_by_role("tooltip")
    await page.locator("#token-facts .term", has_text="L0").hover()
    await expect(tip).to_contain_text("How many features of a source are active")
    await page.locator("#row-terms .term", has_text="feature").hover()
    await expect(tip).to_contain_text("A feature is a direction")
