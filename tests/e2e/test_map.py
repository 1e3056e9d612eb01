"""The map of all features: the same places for everybody, dust, names, a flat view."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from . import fake_stream, large_stream, pages
from .fake_gateway import Gateway
from .looks import boxes, keep, overlapping
from .made_map import made_map
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTH = 2048
#: Those of the fake model, and the one more that the bundled recording has.
SOURCES = [(f"{fake_stream.MODEL}/{layer}-res", WIDTH) for layer in range(5)]
#: Draw calls of a map in all: storeys, dust, links, kin, a column, and two of nodes.
MOST_CALLS = 7
#: Bytes of node lights and threads that a token may pass on; the dust has 65 kB.
BYTES_PER_TOKEN = 40_000


async def charted(open_page: Opener, gateway: Gateway, path: str = "/", **options: str) -> Page:
    """A page whose map has come."""
    page = await open_page(gateway.url + path, **options)
    await pages.wait_for(page, f"a.drawing.points === {len(SOURCES) * WIDTH}")
    return page


async def generated(page: Page) -> Page:
    """The page after one text, at rest."""
    await pages.generate(page, "The capital of France is")
    await pages.end_of_run(page)
    await pages.settled(page)
    return page


async def places(page: Page) -> dict[str, list[float]]:
    """Where the features that have fired are."""
    return {node["key"]: node["place"] for node in await page.evaluate("axon.nodes()")}


async def test_two_viewers_see_the_same_places_and_no_layout_runs(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    presenter = await generated(await charted(open_page, gateway))
    viewer = await charted(open_page, gateway, "/r/k3f9x2")
    await pages.wait_for(viewer, "a.phase === 'finished'")
    await pages.settled(viewer)
    ours, theirs = await places(presenter), await places(viewer)
    assert len(ours) > 50
    assert ours == theirs
    assert presenter.workers == viewer.workers == []


async def test_all_features_are_drawn_in_one_call_and_only_what_fires_is_passed_on(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    page = await generated(await charted(open_page, gateway))
    calls = await page.evaluate("axon.drawing.drawCalls")
    assert 4 <= calls <= MOST_CALLS
    before = await page.evaluate("axon.drawing.sent")
    frame = next(
        f for f in fake_stream.generation("A", 2, 15, fake_stream.SOURCES) if f["type"] == "token"
    )
    await gateway.emit({"type": "started", **started_of()})
    for step in range(20):
        await gateway.emit({**frame, "step": step, "position": step})
        await pages.wait_for(page, f"a.tokenCount === {step + 1}")
        await pages.painted(page)
    await pages.settled(page)
    spent = (await page.evaluate("axon.drawing.sent") - before) / 20
    print(f"{spent:.0f} bytes a token")
    assert 0 < spent < BYTES_PER_TOKEN
    assert await page.evaluate("axon.drawing.drawCalls") <= MOST_CALLS


def started_of() -> dict[str, object]:
    """What a run's first frame says."""
    frames = fake_stream.generation("A", 2, 15, fake_stream.SOURCES)
    return next(frame for frame in frames if frame["type"] == "started")


async def test_the_tools_keep_off_the_small_map_beside_the_inspector(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    page = await generated(await charted(open_page, gateway))
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.locator("#strongest-list .row").first.click()
    await expect(page.locator("#inspector")).to_be_visible()
    await expect(page.locator("#alike")).to_be_visible()
    assert overlapping(await boxes(page, "#corner, #graph-tools > *")) == []
    # Beside the matrix, nothing of the picture shows.
    await page.locator("#matrix-open").click()
    for part in ("#canvas", "#labels", "#stage"):
        await expect(page.locator(part)).to_be_hidden()


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_names_at_three_distances_lie_over_nothing(
    open_page: Opener, gateway: Gateway, theme: str
) -> None:
    gateway.map = made_map(SOURCES)
    page = await generated(await charted(open_page, gateway, f"/?theme={theme}"))
    large = page.locator("#labels .district.large")
    small = page.locator("#labels .district.small")

    async def look(name: str) -> None:
        await pages.settled(page)
        names = await boxes(page, "#labels .district, #labels .label, #labels .storey")
        assert overlapping(names) == []
        await keep(page, f"map-{theme}-{name}")

    await look("overview")
    assert await large.count() >= 2
    assert await small.count() == 0
    await expect(page.locator("#labels .storey").get_by_text("layer 4")).to_be_visible()
    await page.locator("#strongest-list .row").first.click()
    await look("storey")
    await page.locator("#stage").focus()
    for _ in range(9):
        await page.keyboard.press("+")
    await look("near")
    assert await small.count() >= 1
    await expect(page.locator("#labels .ring:not([hidden])").first).to_be_visible()


async def test_what_nearness_means_is_said(open_page: Opener, gateway: Gateway) -> None:
    gateway.map = made_map(SOURCES)
    page = await charted(open_page, gateway)
    words = page.locator("#nearness")
    await expect(words).to_contain_text("Height is the layer")
    await expect(words).to_contain_text("of a feature’s ten most similar, 4.7 are")
    await page.get_by_role("button", name="Keys and filters").click()
    await expect(page.locator("#help-nearness")).to_contain_text("Height is the layer")


async def test_a_district_lists_its_strongest_and_is_flown_to(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    page = await generated(await charted(open_page, gateway))
    name = page.locator("#labels .district.large").first
    text = await name.text_content()
    box = await name.bounding_box()
    assert box
    assert text
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    card = page.locator("#district")
    await expect(card).to_contain_text(text)
    await expect(card).to_contain_text("features")
    before = await page.evaluate("axon.graph.pose().target")
    await page.mouse.click(x, y)
    await pages.settled(page)
    assert await page.evaluate("axon.graph.pose().target") != before
    assert await page.evaluate("axon.chosen") is None


async def test_a_silent_feature_is_named_chosen_and_does_not_shine(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    page = await charted(open_page, gateway)
    await pages.generate(page, "The capital of France is")
    await pages.end_of_run(page)
    await page.get_by_label("Find").fill("#999")
    await page.locator("#hits [role=option]", has_text="not seen yet").first.click()
    await pages.settled(page)
    ring = page.locator("#labels .ring.silent:not(.hovered):not([hidden])")
    await expect(ring).to_be_visible()
    chosen = await page.evaluate("axon.chosen")
    assert chosen.endswith("/999")
    assert chosen not in await places(page)
    # The camera has flown there: its ring is in the middle of the stage.
    stage, at = await page.locator("#stage").bounding_box(), await ring.bounding_box()
    assert stage
    assert at
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    assert (at["x"] + at["width"] / 2, at["y"] + at["height"] / 2) == pytest.approx(middle, abs=40)
    await page.get_by_role("button", name="Features like this one").click()
    await expect(page.locator("#labels .ring.silent:not([hidden])")).not_to_have_count(1)


async def test_the_flat_view_is_kept_in_the_address(open_page: Opener, gateway: Gateway) -> None:
    gateway.map = made_map(SOURCES)
    page = await charted(open_page, gateway)
    button = page.get_by_role("button", name="Flat")
    await expect(button).to_have_attribute("aria-pressed", "false")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.wait_for_url(re.compile(r"\?view=flat$"))
    await pages.settled(page)
    position, target = await page.evaluate("(p => [p.position, p.target])(axon.graph.pose())")
    assert position[0] == pytest.approx(target[0], abs=1)
    assert position[2] == pytest.approx(target[2], abs=1)
    await keep(page, "map-flat")
    again = await charted(open_page, gateway, "/?view=flat")
    await expect(again.get_by_role("button", name="Flat")).to_have_attribute("aria-pressed", "true")
    phone = await charted(open_page, gateway, "/", size="phone")
    await expect(phone.get_by_role("button", name="Flat")).to_have_attribute("aria-pressed", "true")
    await pages.settled(phone)
    await keep(phone, "map-phone")


async def test_the_footprints_of_two_texts_are_laid_over_one_another_and_saved(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)
    page = await generated(await charted(open_page, gateway))
    await pages.generate(page, "In spring the rivers")
    await pages.end_of_run(page)
    await page.get_by_role("button", name="Footprint").click()
    dialog = page.get_by_role("dialog", name="Footprint of this text")
    await expect(dialog.locator(".print").first).to_be_visible()
    assert await dialog.locator(".share").count() == await dialog.locator(".print").count()
    await dialog.get_by_label("Lay over it").select_option("The capital of France is")
    assert await dialog.locator(".share").count() > await dialog.locator(".print").count()
    await keep(page, "map-footprints")
    async with page.expect_download() as download:
        await dialog.get_by_role("button", name="Save picture").click()
    saved = await (await download.value).path()
    assert saved.read_bytes().startswith(b"\x89PNG")


async def test_a_bad_map_is_refused_in_plain_words_and_the_page_goes_on(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.map = made_map(SOURCES)[:-12_000]
    page = await open_page(gateway.url)
    await expect(page.locator("#nearness")).to_contain_text("cannot be read: district is cut off")
    await generated(page)
    assert await page.evaluate("[axon.drawing.points, axon.nodeCount > 50]") == [0, True]


async def test_without_a_map_nothing_is_said_of_it(open_page: Opener, gateway: Gateway) -> None:
    page = await generated(await open_page(gateway.url))
    for hidden in ("#chart", "#flat", "#footprint", "#alike"):
        await expect(page.locator(hidden)).to_be_hidden()
    assert not any("/api/map" in path for path in gateway.paths)


async def test_made_maps_are_the_same_for_the_same_seed() -> None:
    sources = [(source, 100) for source in large_stream.source_ids(3)]
    assert made_map(sources) == made_map(sources) != made_map(sources, seed=2)
