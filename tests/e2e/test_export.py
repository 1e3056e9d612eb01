"""The Export menu: recording, activations, a picture, and a link that makes the same run."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from playwright.async_api import Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .hall import Hall
from .looks import keep
from .pages import Opener
from .test_page import recorded

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def finished_run(open_page: Opener, hall: Hall) -> Page:
    page = await open_page(hall.url, graph=False)
    await pages.set_knobs(page, {"Temperature": 0.5, "Features per token": 2})
    await pages.generate(page, "The “capital” of\nFrance & more")
    await pages.wait_for(page, "a.origin === 'live' && a.phase === 'finished'")
    return page


async def taken(page: Page, item: str) -> tuple[str, bytes]:
    """Chooses an item of the menu; the name and content of the file it downloads."""
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as download:
        await page.locator("#export-menu").get_by_text(item).click()
    file = await download.value
    content = await asyncio.to_thread(Path(await file.path()).read_bytes)
    return file.suggested_filename, content


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


async def test_the_rooms_recording(open_page: Opener, hall: Hall) -> None:
    page = await finished_run(open_page, hall)
    name, content = await taken(page, "Recording of this room")
    room = page.url.partition("?")[0].rpartition("/")[2]
    assert name == f"axon-{room}.jsonl"
    frames = lines(content)
    assert (frames[0]["type"], frames[-1]["type"]) == ("recording", "end")
    assert "token" in {frame["type"] for frame in frames}


@pytest.mark.parametrize("query", ["", "?webgl=off"])
async def test_all_activations(open_page: Opener, gateway: Gateway, query: str) -> None:
    page = await open_page(gateway.url + recorded(gateway) + query)
    await pages.wait_for(page, "a.phase === 'finished'")
    name, content = await taken(page, "All activations")
    assert name == "axon-k3f9x2-the-capital-of-france-is.jsonl"
    head, *tokens = lines(content)
    assert (head["type"], head["model"], head["filters"]) == ("activations", "axon-demo", [])
    sent = [t for frame in gateway.log for t in frame.get("tokens", [frame]) if "features" in t]
    assert [t["token"] for t in tokens] == [t["token"] for t in sent]
    for token, frame in zip(tokens, sent, strict=True):
        features = [
            {**feature, "source": group["source"], "layer": group["layer"]}
            for group in token["source_features"]
            for feature in group["features"]
        ]
        assert _nameless(features) == _nameless(frame["features"])
    # A label sent once is exported at every token of its feature.
    assert any(feature["label"] for feature in features)
    assert [t["origin"] for t in tokens].count("generated") == 40


def _nameless(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in f.items() if key != "label"} for f in features]


async def test_activations_that_pass_the_filters(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + recorded(gateway) + "?keep=water", graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    await page.get_by_role("checkbox", name=fake_stream.SOURCES[0]).uncheck()
    _, content = await taken(page, "Activations that pass the filters")
    head, *tokens = lines(content)
    assert head["filters"] == ["keep: water", f"without: {fake_stream.SOURCES[0]}"]
    found = [group for token in tokens for group in token["source_features"]]
    assert fake_stream.SOURCES[0] not in {group["source"] for group in found}
    labels = {feature["label"] for group in found for feature in group["features"]}
    assert labels
    assert all("water" in label for label in labels)


async def test_a_picture_of_the_graph(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + recorded(gateway))
    await pages.wait_for(page, "a.phase === 'finished' && a.nodeCount > 100")
    await pages.settled(page)
    await page.get_by_role("button", name="Export").click()
    await keep(page, "export-menu")
    await page.keyboard.press("Escape")
    before = await page.evaluate("[canvas.width, canvas.height]")
    name, content = await taken(page, "(PNG, 4K)")
    assert name.endswith(".png")
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack("!II", content[16:24])
    assert width == 3840
    assert height > 1000
    # A blank picture of this size would be a few tens of KB.
    assert len(content) > 200_000
    assert await page.evaluate("[canvas.width, canvas.height]") == before
    name, content = await taken(page, "(SVG)")
    assert name.endswith(".svg")
    root = ElementTree.fromstring(content)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    shown = await page.locator("#labels .label").all_inner_texts()
    assert shown
    assert set(shown) <= set(words)
    origin = root.findtext("{http://www.w3.org/2000/svg}title") or ""
    assert "model axon-demo" in origin
    assert "Seed" in origin
    # As in the document: the graph of this picture is not blank.
    await page.set_content(content.decode())
    await keep(page, "picture-svg")
    image = root.find("{http://www.w3.org/2000/svg}image")
    assert image is not None
    assert len(image.attrib["href"]) > 50_000


async def test_without_webgl_there_is_no_picture(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + recorded(gateway) + "?webgl=off")
    await pages.wait_for(page, "a.phase === 'finished'")
    await page.get_by_role("button", name="Export").click()
    await expect(page.locator("#export-menu").get_by_text("All activations")).to_be_visible()
    await expect(
        page.locator("#export-menu").get_by_text("Picture").locator("visible=true")
    ).to_have_count(0)


async def test_a_link_makes_the_same_run(open_page: Opener, hall: Hall) -> None:
    page = await finished_run(open_page, hall)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Export").click()
    button = page.locator("#export-link")
    await button.click()
    await expect(button).to_have_text("Copied")
    link: str = await page.evaluate("navigator.clipboard.readText()")
    assert urlsplit(link).path == "/"
    query = parse_qs(urlsplit(link).query)
    # The server chose the seed: it has 64 bits, too many for a JavaScript number.
    assert query["seed"] == [str(2**63 + 1)]
    assert query["temperature"] == ["0.5"]
    again = await open_page(link, graph=False)
    await expect(again.get_by_label("Prompt")).to_have_value("The “capital” of\nFrance & more")
    await expect(pages.generate_button(again)).to_be_enabled()
    # Nothing starts by itself.
    await again.wait_for_timeout(500)
    assert len(hall.inference.seen.requests) == 1
    await pages.generate_button(again).click()
    await pages.wait_for(again, "a.origin === 'live' && a.phase === 'finished'")
    first, second = hall.inference.seen.requests
    assert second.prompt == first.prompt
    assert second.sampling.seed == 2**63 + 1
    assert second.sampling.temperature == 0.5
    assert second.features.top_k == 2
    # From now on the address describes the view, no longer the run.
    await again.wait_for_url(lambda url: "prompt" not in url)


async def test_a_link_to_a_model_that_is_not_here_says_so(open_page: Opener, hall: Hall) -> None:
    page = await open_page(f"{hall.url}/?prompt=Hello&model=gpt5&seed=7", graph=False)
    await expect(page.get_by_label("Prompt")).to_have_value("Hello")
    await expect(page.locator("#status")).to_contain_text(
        "This server has no model gpt5. Generate runs fake instead."
    )
    await expect(page.locator("#model")).to_have_text("fake")
