"""Search, filters and their chips, and how the page's address keeps them."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Locator, Page, Route, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import SIZES, keep
from .pages import Opener
from .test_page import fired_in, recorded

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIZES = {name: SIZES[name] for name in ("desktop", "phone")}


async def room(
    open_page: Opener, gateway: Gateway, size: str = "desktop", graph: bool = True
) -> Page:
    """A page that watches a finished generation."""
    page = await open_page(gateway.url + recorded(gateway), size, graph)
    fired = fired_in(gateway)
    counted = "nodeCount" if graph else "featureCount"
    await pages.wait_for(page, f"a.phase === 'finished' && a.{counted} === {len(fired)}")
    return page


def find(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Find")


def chip(page: Page, text: str) -> Locator:
    return page.get_by_role("button", name=f"Remove filter {text}")


async def set_filter(page: Page, text: str) -> None:
    await find(page).fill(text)
    await find(page).press("Enter")


async def query_is(page: Page, **wanted: list[str]) -> None:
    """Waits until the address has exactly these parameters."""
    for _ in range(300):
        if parse_qs(urlsplit(page.url).query) == wanted:
            return
        await page.wait_for_timeout(100)
    assert parse_qs(urlsplit(page.url).query) == wanted


async def shown_labels(page: Page) -> list[str]:
    return await page.locator("#strongest-list .name").all_inner_texts()


@pytest.mark.parametrize("size", SIZES)
async def test_a_feature_is_found_by_its_label(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await room(open_page, gateway, size, graph=False)
    await page.keyboard.press("/")
    await expect(find(page)).to_be_focused()
    await page.keyboard.type("rivers")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")
    await expect(options.first).to_contain_text("rivers and seas")
    await keep(page, f"find-{size}")
    await page.keyboard.press("ArrowDown")
    second = (await options.nth(1).inner_text()).split("#")[1]
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Chosen feature")).to_contain_text("rivers and seas")
    await expect(page.get_by_label("Chosen feature")).to_contain_text(f"#{second.strip()}")
    await expect(page.get_by_role("listbox", name="Found")).to_be_hidden()


async def test_a_feature_that_has_not_fired_is_found_by_its_label(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await room(open_page, gateway, graph=False)
    await find(page).fill("zebras")
    option = page.get_by_role("listbox", name="Found").get_by_role("option").first
    await expect(option).to_contain_text("rarely zebras")
    await expect(option).to_contain_text("not seen yet")
    await keep(page, "find-unseen")
    await find(page).press("Enter")
    inspector = page.get_by_label("Chosen feature")
    await expect(inspector).to_contain_text("rarely zebras")
    await expect(inspector).to_contain_text("999")
    # Enter waits for the answer, even if it is pressed before the answer comes.
    await find(page).fill("okapis")
    await find(page).press("Enter")
    await expect(inspector).to_contain_text("rarely okapis")
    await expect(chip(page, "hide: okapis")).to_have_count(0)


async def press(page: Page, place: int) -> None:
    """Presses the mouse on an option, and does not release it."""
    # Measured by one call: between two calls from outside, the list can be drawn anew.
    box = await page.evaluate(
        "place => document.querySelectorAll('#hits > *')[place].getBoundingClientRect().toJSON()",
        place,
    )
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()


async def test_the_pressed_option_is_chosen_even_if_the_list_changes_before_release(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.step_seconds = 0.1
    page = await open_page(gateway.url, graph=False)
    answers = asyncio.Event()

    async def answer_late(route: Route) -> None:
        await answers.wait()
        await route.continue_()

    await page.route(re.compile(r"/api/features\?.*\blabel="), answer_late)
    await pages.set_knobs(page, {"Max tokens": 256})
    await pages.generate(page, "The capital of France is")
    await pages.wait_for(page, "a.origin === 'live' && a.tokenCount > 12")
    await find(page).fill("capital")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")
    await expect(options.nth(3)).to_be_visible()
    # Tokens come, and with them more features that match.
    third = (await options.nth(2).inner_text()).split("#")[1].strip()
    count = await page.evaluate("axon.tokenCount")
    await press(page, 2)
    await pages.wait_for(page, f"a.tokenCount > {count + 4}")
    gateway.go.clear()  # so that the generation lasts as long as the rest takes
    await page.mouse.up()
    await expect(page.get_by_label("Chosen feature")).to_contain_text(f"#{third}")
    # The server's answer comes, and moves the pressed option down.
    await find(page).fill("quagga")
    await expect(options).to_have_count(2)
    await press(page, 0)
    answers.set()
    await expect(options.first).to_contain_text("rarely quagga")
    await page.mouse.up()
    await expect(chip(page, "hide: quagga")).to_be_visible()
    assert await page.evaluate("axon.phase") == "generating"


async def test_a_feature_is_found_by_its_index(open_page: Opener, gateway: Gateway) -> None:
    page = await room(open_page, gateway, graph=False)
    ids = {index for _, index in fired_in(gateway)}
    one = min(ids)
    await find(page).fill(f"#{one}")
    options = page.get_by_role("option").filter(has_text=f"#{one}")
    await expect(options.first).to_be_visible()
    await find(page).press("Enter")
    await expect(page.get_by_label("Chosen feature")).to_contain_text(f"#{one}")
    # One that has not fired can be looked up, too.
    unseen = max(set(range(1024)) - ids)
    await find(page).fill(str(unseen))
    options = page.get_by_role("option").filter(has_text=f"#{unseen}")
    await expect(options.first).to_contain_text("not seen yet")
    await find(page).press("Enter")
    await expect(page.get_by_label("Chosen feature")).to_contain_text(f"#{unseen}")
    await expect(page.get_by_label("Chosen feature")).to_contain_text("Fired at0 of 45 tokens")


async def test_an_index_that_no_source_has_gives_a_message(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await room(open_page, gateway, graph=False)
    await find(page).fill("99999999")
    await find(page).press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="No feature")).to_be_visible()


async def test_a_filter_holds_for_graph_lists_and_labels(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await room(open_page, gateway)
    before = await page.evaluate("axon.nodes().length")
    assert "sentence ends" in await shown_labels(page)
    await set_filter(page, "hide: sentence")
    await expect(chip(page, "hide: sentence")).to_be_visible()
    await pages.wait_for(page, "!a.nodes().some(n => n.name.includes('sentence'))")
    assert 0 < await page.evaluate("axon.nodes().length") < before
    await expect(page.locator("#strongest-list")).not_to_contain_text("sentence")
    await expect(page.locator("#labels")).not_to_contain_text("sentence")
    await keep(page, "filtered")
    await set_filter(page, "keep: /^(rivers|water)/")
    await pages.wait_for(page, "a.nodes().every(n => /^(rivers|water)/.test(n.name))")
    await query_is(page, hide=["sentence"], keep=["/^(rivers|water)/"])
    await chip(page, "keep: /^(rivers|water)/").click()
    await chip(page, "hide: sentence").click()
    await pages.wait_for(page, f"a.nodes().length === {before}")
    await query_is(page)


async def test_the_typed_text_can_become_a_filter(open_page: Opener, gateway: Gateway) -> None:
    page = await room(open_page, gateway)
    await find(page).fill("numbers")
    await page.get_by_role("option", name="hide: numbers").click()
    await expect(chip(page, "hide: numbers")).to_be_visible()
    await pages.wait_for(page, "!a.nodes().some(n => n.name.includes('numbers'))")
    # An empty field offers the kinds of filter; Backspace removes the last filter.
    await find(page).click()
    await expect(page.get_by_role("option", name="density:")).to_be_visible()
    await find(page).press("Backspace")
    await expect(chip(page, "hide: numbers")).to_have_count(0)


async def test_a_bad_expression_hides_nothing_and_says_why(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await room(open_page, gateway)
    before = await page.evaluate("axon.nodes().length")
    await set_filter(page, "hide: /(country/")
    await expect(page.get_by_role("alert").filter(has_text="Nothing was hidden")).to_be_visible()
    await keep(page, "bad-expression")
    assert await page.evaluate("axon.nodes().length") == before
    await expect(page.locator("#chips")).to_be_hidden()


async def test_activation_and_density_filter(open_page: Opener, gateway: Gateway) -> None:
    page = await room(open_page, gateway)
    before = await page.evaluate("axon.nodes().length")
    await set_filter(page, "min: 50%")
    await pages.wait_for(page, f"a.nodes().length > 0 && a.nodes().length < {before}")
    await chip(page, "min: 50%").click()
    await set_filter(page, "density: <1%")
    # Densities are not in the stream: the page asks the gateway for them.
    await pages.wait_for(page, "a.nodes().length > 0 && a.nodes().every(n => n.id % 2 === 1)")


async def test_a_filter_that_hides_everything_says_so(open_page: Opener, gateway: Gateway) -> None:
    page = await room(open_page, gateway)
    await set_filter(page, "keep: nothing has this label")
    await expect(page.locator("#notice")).to_contain_text("Your filters hide every feature.")
    await keep(page, "filters-hide-everything")
    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.locator("#notice")).to_be_hidden()
    await pages.wait_for(page, "a.nodes().length > 100")


async def test_sources_that_are_off_are_shown_as_a_chip(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await room(open_page, gateway, graph=False)
    await page.get_by_role("checkbox", name="axon-demo/3-res").uncheck()
    await expect(chip(page, "3 of 4 sources")).to_be_visible()
    await query_is(page, sources=[",".join(fake_stream.SOURCES[:3])], webgl=["off"])
    await chip(page, "3 of 4 sources").click()
    await expect(page.get_by_role("checkbox", name="axon-demo/3-res")).to_be_checked()


async def test_an_address_restores_the_view(open_page: Opener, gateway: Gateway) -> None:
    first = await room(open_page, gateway)
    await set_filter(first, "hide: sentence")
    await set_filter(first, "min: 20%")
    await first.get_by_role("checkbox", name="axon-demo/0-res").uncheck()
    await find(first).fill("rivers and seas")
    await find(first).press("Enter")
    slider = first.get_by_label("Hide weak links")
    await slider.fill("25")
    await pages.wait_for(first, "a.chosen !== null")
    chosen = await first.evaluate("axon.chosen")
    await query_is(
        first,
        hide=["sentence"],
        min=["20%"],
        sources=[",".join(fake_stream.SOURCES[1:])],
        feature=[chosen],
        links=["0.25"],
    )
    for size in SIZES:
        second = await open_page(first.url, size)
        await pages.wait_for(second, f"a.chosen === '{chosen}'")
        await expect(chip(second, "hide: sentence")).to_be_visible()
        await expect(chip(second, "min: 20%")).to_be_visible()
        await expect(chip(second, "3 of 4 sources")).to_be_visible()
        await expect(second.get_by_label("Hide weak links")).to_have_value("25")
        await keep(second, f"view-from-address-{size}")
        assert second.url == first.url
