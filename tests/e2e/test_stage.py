"""The stage: each screen, presenting, the beat; what only a browser's layout and keys show."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import FloatRect, Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import boxes, keep, overlapping
from .pages import Opener
from .test_page import REPLAY, recorded

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def box(page: Page, selector: str) -> FloatRect:
    found = await page.locator(selector).bounding_box()
    assert found
    return found


async def test_small_screens_show_graph_text_and_names(open_page: Opener, gateway: Gateway) -> None:
    """A phone, a phone on its side, and a laptop's window at twice its size."""
    page = await open_page(gateway.url + recorded(gateway), "phone")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    bar, stage = await box(page, "#bar"), await box(page, "#stage")
    # The bar lies above the picture, and not over it.
    assert bar["y"] + bar["height"] <= stage["y"] + 1
    assert stage["height"] >= 0.33 * 844
    assert (await box(page, "#text"))["y"] - (stage["y"] + stage["height"]) < 80

    await page.set_viewport_size({"width": 844, "height": 390})
    await pages.painted(page)
    await pages.settled(page)
    stage, text = await box(page, "#stage"), await box(page, "#text")
    assert stage["height"] >= 200
    assert text["x"] >= stage["x"] + stage["width"] - 1
    names = await page.locator("#strongest-list .name").evaluate_all(
        "names => names.map(name => name.clientWidth)"
    )
    assert min(names) > 90
    assert len(await boxes(page, "#labels .label")) >= 2
    await keep(page, "stage-phone-on-its-side")

    await page.set_viewport_size({"width": 640, "height": 400})
    await pages.painted(page)
    await pages.settled(page)
    assert (await box(page, "#stage"))["height"] >= 220
    side, band = await box(page, "#side"), await box(page, "#band")
    # The form follows the text; it lies over nothing.
    assert side["y"] >= band["y"] + band["height"] - 1
    assert overlapping(await boxes(page, "#labels .label")) == []
    await keep(page, "stage-zoomed")


async def test_a_followed_choice_opens_nothing_over_a_phones_text(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + recorded(gateway), "phone", graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    row = page.locator("#strongest-list [role=option]").first
    key = await row.get_attribute("data-key")
    for socket in list(gateway.sockets):
        view = {"type": "view", "seq": len(gateway.log), "pose": [], "feature": key, "token": None}
        await socket.send_json(view)
    await pages.wait_for(page, f"a.chosen === {key!r}")
    await expect(page.get_by_label("Chosen feature")).to_be_hidden()
    await page.locator("#strongest-list [role=option]").nth(1).click()
    await expect(page.get_by_label("Chosen feature")).to_be_visible()


async def test_presenting_leaves_picture_subtitles_and_legend(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + REPLAY, "projector")
    await pages.wait_for(page, "a.phase === 'finished'")
    await page.locator("#prompt").focus()
    await page.keyboard.press("f")
    assert await page.locator("#prompt").input_value() == "The capital of France isf"
    await page.locator("#strongest-list [role=option]").first.focus()
    await page.keyboard.press("f")
    await pages.settled(page)
    for chrome in ("#side", "#bar button", "#graph-tools", "#strongest", "#play"):
        await expect(page.locator(chrome).first).to_be_hidden()
    stage, tokens = await box(page, "#stage"), await box(page, "#tokens")
    assert (stage["x"], stage["width"]) == (0, 1920)
    assert stage["height"] > 700
    size = await page.locator("#tokens").evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= 40
    assert tokens["y"] + tokens["height"] <= 1080
    await expect(page.locator("#legend")).to_have_text(
        "height: layer · light: activation · ring: this word"
    )
    await keep(page, "stage-presenting")
    await page.keyboard.press("PageUp")
    count = await page.evaluate("axon.tokenCount")
    await pages.wait_for(page, f"a.token === {count - 2}")
    await page.keyboard.press("Escape")
    await expect(page.locator("#side")).to_be_visible()


async def test_a_beat_shows_the_candidates_and_how_far_the_model_is(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url, graph=False)
    await page.get_by_label("Speed").select_option("step by step")
    gateway.step_seconds = 0.005
    await pages.set_knobs(page, {"Max tokens": 12})
    await pages.generate(page)
    ahead = page.locator("#ahead")
    await expect(ahead).to_have_text("The model is done; showing 0 of 12")
    await page.get_by_role("button", name="Next", exact=True).click()
    await page.keyboard.press("PageDown")
    await expect(ahead).to_have_text("The model is done; showing 2 of 12")
    assert await page.locator("#tokens .made").count() == 2
    await page.get_by_role("button", name="Live", exact=True).click()
    await expect(ahead).to_be_hidden()


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_conversation_shows_who_speaks(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    gateway.chat = True
    page = await open_page(f"{gateway.url}/?prompt=How+warm+is+it%3F&chat=on", size, graph=False)
    await expect(page.get_by_label("As a conversation")).to_be_checked()
    await pages.set_knobs(page, {"Max tokens": 6})
    await page.locator("summary").click()
    await pages.generate(page)
    await pages.end_of_run(page)
    asked = {"role": "user", "content": "How warm is it?"}
    assert (gateway.requests[-1]["messages"], gateway.log[0]["messages"]) == ([asked], [asked])
    gateway.recordings["conversation"] = gateway.log

    link = f"{gateway.url}/?replay=/made/conversation.jsonl&pace=0&theme=light"
    replay = await open_page(link, size)
    begun = replay.locator("#tokens [data-speaker]")
    await expect(begun).to_have_text([re.compile("^How warm is it"), re.compile("Paris,")])
    assert [await one.get_attribute("data-speaker") for one in await begun.all()] == [
        "user",
        "assistant",
    ]
    faint = await replay.locator("#tokens .template").all_text_contents()
    assert faint == ["<|user|>", "", "<|end|>", "", "<|assistant|>", ""]
    await pages.settled(replay)
    await keep(replay, f"conversation-{size}")
    await replay.keyboard.press("f")
    await expect(replay.locator("#side")).to_be_hidden()
    await expect(begun.last).to_be_in_viewport()
    await pages.painted(replay)
    await keep(replay, f"conversation-presented-{size}")


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_link_opens_a_comparison(open_page: Opener, gateway: Gateway, size: str) -> None:
    silence = {"source": fake_stream.SOURCES[2], "feature": 1000, "scale": 0}
    edits = [{**silence, "where": "while_firing"}]
    branches = [{"name": "as is", "edits": []}, {"name": "with", "edits": edits}]
    made = fake_stream.generation("The capital of France is", 9, 6, fake_stream.SOURCES, branches)
    gateway.recordings["twin"] = [{**one, "seq": seq} for seq, one in enumerate(made, 1)]
    link = f"{gateway.url}/?replay=/made/twin.jsonl&pace=0&compare=1.2,1.1"
    page = await open_page(link, size)
    dialog = page.get_by_role("dialog", name="Two texts compared")
    await expect(dialog).to_contain_text("The texts part at token 7: “␣Italy” here, “␣Paris” there")
    await pages.settled(page)
    await keep(page, f"compared-{size}")
    await pages.wait_for(page, "location.search.includes('compare=1.2,1.1')")
    await dialog.get_by_role("button", name="Close").click()
    await pages.wait_for(page, "!location.search.includes('compare')")


async def test_without_a_label_a_name_says_what_is_promoted(
    open_page: Opener, gateway: Gateway
) -> None:
    # Only what has no label is on show.
    page = await open_page(f"{gateway.url}/?hide=/[a-z]/")
    await pages.set_knobs(page, {"Max tokens": 3})
    await page.locator("summary").click()
    await pages.generate(page)
    await pages.end_of_run(page)
    name = page.locator("#strongest-list .name", has_text="≈ promotes “Paris”, “Rome” · at “and”")
    await expect(name.first).to_be_visible()
    await pages.settled(page)
    await keep(page, "provisional-names")


async def test_without_webgl_tokens_by_layers_fill_the_graphs_place(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + REPLAY + "&webgl=off")
    await pages.wait_for(page, "a.phase === 'finished'")
    grid = page.get_by_role("img", name="Strongest activation by token and layer")
    await expect(grid).to_be_visible()
    assert (await box(page, "#layers"))["height"] > 300
    cells = await boxes(page, "#layers i")
    assert len(cells) >= 5 * 10
    assert len({round(cell["top"]) for cell in cells}) == 5


async def test_forced_colours_keep_names_dots_and_the_newest_token(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + REPLAY, forced_colors="active")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    colours = await page.evaluate(
        """() => {
            const of = (selector, name) =>
                getComputedStyle(document.querySelector(selector))[name];
            return {
                name: of("#labels .label", "color"),
                halo: of("#labels .label", "webkitTextStrokeColor"),
                dot: of(".row .dot", "backgroundColor"),
                bar: of(".row .bar i", "backgroundColor"),
                newest: of("#tokens .newest", "backgroundColor"),
                older: of("#tokens .made", "backgroundColor"),
            };
        }"""
    )
    assert colours["name"] != colours["halo"]
    assert colours["newest"] != colours["older"]
    # Hues of sources, and no system colours.
    assert colours["dot"] == colours["bar"]
    assert colours["dot"] not in ("rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    await keep(page, "stage-forced-colours")


async def test_the_tour_is_shown_once_and_again_by_keyboard(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + REPLAY + "&tour=1", graph=False)
    tour = page.get_by_role("dialog", name="One token a beat")
    await expect(tour).to_be_visible()
    await tour.get_by_role("button", name="Next").click()
    tour = page.get_by_role("dialog", name="Height is the layer")
    await tour.get_by_role("button", name="Close").click()
    await expect(tour).to_be_hidden()
    await page.keyboard.press("?")
    await page.get_by_role("button", name="Show the tour").press("Enter")
    tour = page.get_by_role("dialog", name="One token a beat")
    await expect(tour.get_by_role("button", name="Next")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(tour).to_be_hidden()
