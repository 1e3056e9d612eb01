"""The whole path from a prompt to text and a lit graph, with the bundled model."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.async_api import Page, expect

from . import pages
from .looks import boxes, graph_light, keep, overlapping
from .pages import Opener
from .runs import Run, long_run
from .stack import START_SECONDS, Stack

# A test may wait until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(START_SECONDS + 120)]

#: Tokens on show before the prompt's own.
START_OF_TEXT = 1


async def test_generate_writes_text_and_lights_the_graph(stack: Stack, open_page: Opener) -> None:
    run = await long_run(stack, "The capital of France is", at_least=120)
    page = await open_page(stack.url)
    await expect(page.get_by_label("Prompt")).to_have_value(run.prompt)
    await pages.set_knobs(page, run.knobs)
    await pages.keep_texts(page)
    await pages.generate(page)
    await pages.wait_for(page, "a.origin === 'live'")
    await pages.end_of_run(page)
    await pages.settled(page)
    assert await page.evaluate("axon.phase") == "finished"
    assert await pages.text(page) == run.text
    await assert_text_grew(page, run)
    assert await page.evaluate("axon.nodeCount") > 30
    assert (await graph_light(page))["lit"] > 0.005
    assert overlapping(await boxes(page, "#labels .label")) == []
    await keep(page, "generated")
    await a_node_opens_the_inspector(page)


async def a_node_opens_the_inspector(page: Page) -> None:
    node = (await pages.nodes(page))[0]
    await page.mouse.click(node["x"], node["y"])
    inspector = page.get_by_label("Chosen feature")
    await expect(inspector).to_be_visible()
    source, _, index = str(await page.evaluate("axon.chosen")).rpartition("/")
    await expect(inspector).to_contain_text(source)
    await expect(inspector).to_contain_text(f"#{index}")
    await expect(inspector.get_by_role("option").first).to_be_visible()
    await pages.settled(page)
    await keep(page, "generated-inspector")


async def assert_text_grew(page: Page, run: Run) -> None:
    """The page showed generated text while it grew, and never removed any."""
    kept = await pages.kept_texts(page)
    for earlier, later in pairwise(kept):
        assert later.startswith(earlier)
    assert any(len(run.prompt) < len(text) < len(run.text) for text in kept)


async def test_stop_ends_the_generation(stack: Stack, open_page: Opener) -> None:
    run = await long_run(stack, "Once upon a time", at_least=200)
    page = await open_page(stack.url, graph=False)
    await expect(pages.generate_button(page)).to_be_enabled()
    await pages.set_knobs(page, run.knobs)
    # So that the text is not complete before a busy browser sees its beginning.
    await page.get_by_label("Pace").select_option("10")
    await pages.stop_after(page, START_OF_TEXT + len(run.given))
    await pages.generate(page, run.prompt)
    await pages.end_of_run(page)
    assert await page.evaluate("axon.phase") == "stopped"
    await expect(page.locator("#status")).to_contain_text("Stopped after")
    text = await pages.text(page)
    assert run.text.startswith(text)
    assert len(run.prompt) < len(text) < len(run.text)
    await stack.idle()
    await keep(page, "stopped")


async def test_bad_input_is_reported_at_its_field(stack: Stack, open_page: Opener) -> None:
    page = await open_page(stack.url, graph=False)
    await expect(pages.generate_button(page)).to_be_enabled()
    await page.locator("summary").click()
    field = page.get_by_label("Temperature")
    await field.fill("99")
    await pages.generate(page)
    await expect(page.locator("#problem-temperature")).to_be_visible()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await field.fill("0")
    await pages.generate(page, "")
    await expect(page.locator("#prompt-problem")).to_be_visible()
    await pages.generate(page, "The capital of Italy is")
    await pages.wait_for(page, "a.origin === 'live' && a.tokenCount > 5")
