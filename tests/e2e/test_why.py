"""Why a word came: asked of the bundled model on the page, and of what a run tells by itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Locator, Page, expect

from ..patience import eventually
from . import pages
from .looks import keep
from .pages import Opener
from .stack import START_SECONDS, Stack
from .test_access import findings

# A test may wait until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(START_SECONDS + 120)]

PROMPT = "The capital of France is"
FRANCE = 'the word "France"'


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Why this word")


def causes(page: Page) -> Locator:
    return panel(page).locator("> .causes > li > .cause")


async def explained(stack: Stack) -> list[dict[str, Any]]:
    """The effects that the gateway tells of the same word."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{stack.url}/api/explain", json={"prompt": PROMPT, "target": " Paris"}
        ) as answer,
    ):
        frames = [json.loads(line) async for line in answer.content]
    return [frame for frame in frames if frame["type"] == "effect"]


async def asked(stack: Stack, open_page: Opener, **options: Any) -> Page:
    """A page on which the model has written " Paris", and that shows why."""
    page = await open_page(stack.url, **options)
    await pages.set_knobs(page, {"Temperature": 0, "Max tokens": 4})
    await page.locator("summary").click()
    await pages.generate(page, PROMPT)
    await pages.end_of_run(page)
    await page.locator(".chip.made").first.click()
    await page.get_by_role("button", name="Why this word?").click()
    await expect(panel(page)).to_have_attribute("aria-busy", "false", timeout=60_000)
    return page


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_word_is_followed_to_its_cause(stack: Stack, open_page: Opener, size: str) -> None:
    page = await asked(stack, open_page, size=size)
    await expect(panel(page).locator(".question b")).to_have_text("“Paris”")
    # The page shows what the gateway has measured, in that order.
    effects = await explained(stack)
    single = [one for one in effects if one["position"] is not None]
    shown = await causes(page).locator(".name").all_text_contents()
    labels = [one.get("label", f"feature {one['feature']}") for one in single]
    assert shown[0] == labels[0]
    assert {FRANCE} <= {label[: len(FRANCE)] for label in shown}
    await expect(panel(page).get_by_text("Gradient and removal agree")).to_be_visible()
    assert await findings(page) == []
    await keep(page, f"why-{size}")

    france = causes(page).filter(has_text=FRANCE).first
    await france.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".chip.caused")).to_have_text("France")
    step = panel(page).locator(".step").filter(has_text="these lose activation in 2-res")
    lost = step.locator("> .causes > li > .cause")
    await expect(lost.first).to_be_visible()
    await lost.first.click()
    await expect(panel(page).get_by_text("these lose activation in 3-res")).to_be_visible()
    assert await findings(page) == []
    await keep(page, f"why-path-{size}")
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_be_hidden()
    await expect(page.get_by_role("button", name="Why this word?")).to_be_focused()


async def test_a_silenced_cause_does_what_the_panel_says(stack: Stack, open_page: Opener) -> None:
    page = await asked(stack, open_page, graph=False)
    france = causes(page).filter(has_text=FRANCE).first
    # From likely to unlikely: another word has to come.
    figure = await france.locator(".figure").text_content() or ""
    before, after = (float(part.removesuffix("%")) for part in figure.split(" → "))
    assert after < 1 < 50 < before
    await france.click()
    await panel(page).get_by_role("button", name="Silence it and see").first.click()
    await expect(page.locator(".edit .name")).to_contain_text("silenced")
    await pages.generate(page)
    await expect(panel(page)).to_be_hidden()
    await expect(page.locator("#text .tokens")).to_have_count(2)
    await pages.end_of_run(page)
    as_is, edited = page.locator("#text .tokens").nth(0), page.locator("#text .tokens").nth(1)
    await expect(as_is.locator(".chip.made").first).to_have_text("Paris")
    await expect(edited.locator(".chip.made").first).not_to_have_text("Paris")


async def test_an_answer_is_saved_as_a_graph(stack: Stack, open_page: Opener) -> None:
    page = await asked(stack, open_page, graph=False)
    await causes(page).filter(has_text=FRANCE).first.click()
    await expect(panel(page).get_by_text("these lose activation in 2-res")).to_be_visible()
    async with page.expect_download() as download:
        await panel(page).get_by_role("button", name="Save as graph").click()
    file = await download.value
    assert file.suggested_filename == "axon-why-axon-demo-the-capital-of-france-is-paris.json"
    graph = json.loads(await asyncio.to_thread(Path(await file.path()).read_bytes))
    single = [one for one in await explained(stack) if one["position"] is not None]
    assert graph["metadata"]["schema_version"] == 1
    target = next(node["node_id"] for node in graph["nodes"] if node["is_target_logit"])
    weights = [link["weight"] for link in graph["links"] if link["target"] == target]
    assert weights == pytest.approx([-one["logit"] for one in single], abs=1e-3)
    # The path that is unfolded is in it.
    assert len(graph["links"]) > len(single)


async def test_a_run_tells_the_causes_of_its_words(stack: Stack, open_page: Opener) -> None:
    page = await open_page(stack.url, graph=False)
    await pages.set_knobs(page, {"Temperature": 0, "Max tokens": 4})
    await page.get_by_label("Causes of each word").check()
    # At its own pace the model would have ended before there is room to measure anything.
    await page.get_by_label("Pace").select_option("2")
    await page.locator("summary").click()
    line = page.locator("#why-line")

    async def is_told() -> bool:
        await pages.generate(page, PROMPT)
        await pages.end_of_run(page)
        await page.locator(".chip.made").first.click()
        await pages.painted(page)
        return "·" in await line.inner_text()

    # A busy machine may have no time to measure it.
    await eventually(is_told)
    await page.get_by_role("button", name="Why this word?").click()
    await expect(panel(page)).to_contain_text("Measured while the text was written.")
    assert await causes(page).count() > 3
