"""A hall: a presenter, viewers with the room's link, and a recording of it all."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from . import pages
from .pages import Opener
from .stack import Stack

# The first test waits until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


async def presenting(open_page: Opener, stack: Stack) -> Page:
    """A page that has opened a room, whose address it shows."""
    page = await open_page(stack.url)
    await pages.generate(page)
    await pages.wait_for(page, "a.origin === 'live'")
    await pages.end_of_run(page)
    assert "/r/" in page.url
    return page


async def test_the_link_shows_the_same_and_a_reload_keeps_the_role(
    stack: Stack, open_page: Opener
) -> None:
    presenter = await presenting(open_page, stack)
    link = await presenter.get_by_role("link", name="Room").get_attribute("href")
    assert presenter.url.endswith(str(link))
    viewer = await open_page(presenter.url)
    await pages.end_of_run(viewer)
    assert await pages.text(viewer) == await pages.text(presenter)
    await expect(pages.generate_button(viewer)).to_be_disabled()
    await presenter.reload()
    await pages.wait_for(presenter, "a.origin === 'live' && a.phase === 'finished'")
    await expect(pages.generate_button(presenter)).to_be_enabled()


async def test_open_to_all(stack: Stack, open_page: Opener) -> None:
    presenter = await presenting(open_page, stack)
    viewer = await open_page(presenter.url)
    await pages.end_of_run(viewer)
    await expect(viewer.get_by_label("Open to all")).to_be_hidden()
    await presenter.get_by_label("Open to all").check()
    await expect(pages.generate_button(viewer)).to_be_enabled()
    await pages.generate(viewer, "In spring")
    await expect(presenter.locator("#tokens")).to_contain_text("In spring")
    await presenter.get_by_label("Open to all").uncheck()
    await expect(pages.generate_button(viewer)).to_be_disabled()


async def test_a_recording_plays_from_a_file(
    stack: Stack, open_page: Opener, tmp_path: Path
) -> None:
    presenter = await presenting(open_page, stack)
    room = presenter.url.rpartition("/")[2]
    path = f"/api/rooms/{room}/recording.jsonl"
    async with aiohttp.ClientSession(stack.url) as http, http.get(path) as answer:
        recording = await answer.read()
    file = tmp_path / "room.jsonl"
    file.write_bytes(recording)
    visitor = await open_page(stack.url)
    await visitor.get_by_label("Recording", exact=True).set_input_files(file)
    await pages.wait_for(visitor, "a.origin === 'recording' && a.phase === 'finished'")
    assert await pages.text(visitor) == await pages.text(presenter)
    # A file that is cut off, as of a room that goes on, plays as far as it goes, and says so.
    file.write_bytes(recording[: len(recording) // 2])
    await visitor.get_by_label("Recording", exact=True).set_input_files(file)
    await expect(visitor.get_by_role("alert")).to_contain_text("its end is missing")
    await pages.wait_for(visitor, "a.tokenCount > 2")
    assert (await pages.text(presenter)).startswith(await pages.text(visitor))
