"""The hall over the real gateway: a vote, the line, a copy to take along, scenes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from ..integration.gateway.fake_inference import Script
from . import pages
from .hall import SLOW, Hall
from .looks import keep
from .pages import Opener

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def presenting(open_page: Opener, hall: Hall, graph: bool = False) -> Page:
    """A presenter's page whose first generation has ended."""
    page = await open_page(hall.url, graph=graph)
    await pages.generate(page, "The capital")
    await pages.end_of_run(page)
    return page


async def test_a_hall_guesses_the_next_word_and_turns_a_feature(
    open_page: Opener, hall: Hall
) -> None:
    hall.inference.script = Script(tokens=(" of", " France", " is", " Paris"))
    presenter = await presenting(open_page, hall)
    viewer = await open_page(await pages.room_address(presenter), size="phone", graph=False)
    await pages.end_of_run(viewer)
    whole = await pages.text(viewer)
    # The presenter stands at a token, and all guess the one after it.
    await presenter.locator("#tokens [role=option]").nth(3).click()
    await presenter.get_by_role("button", name="Ask the hall").click()
    await presenter.get_by_role("button", name="Guess the next word").click()
    card = viewer.get_by_label("The hall", exact=True)
    await expect(card).to_contain_text("Which word comes next?")
    # What comes is in neither text until then.
    for page in (presenter, viewer):
        await expect(page.locator("#tokens [role=option]").nth(4)).to_be_hidden()
        await expect(page.locator("#tokens [role=option]").nth(3)).to_be_visible()
    await card.get_by_label("Another word").fill("nonsense")
    await card.get_by_role("button", name="Send").click()
    await expect(presenter.get_by_label("The hall", exact=True)).to_contain_text("1 vote")
    first = card.locator(".ballot button").first
    await first.click()
    await expect(first).to_have_attribute("aria-pressed", "true")
    await expect(presenter.locator("#hall .ballot button .count").first).to_have_text("1")
    await keep(viewer, "hall-vote-phone")
    await presenter.get_by_role("button", name="Step forward").click()
    await expect(card).to_contain_text("It was “")
    await expect(viewer.locator("#tokens [role=option]").last).to_be_visible()
    assert await pages.text(viewer) == whole
    # Then the hall says which feature to turn, and one click does it.
    await presenter.get_by_role("button", name="Dismiss").click()
    await presenter.get_by_role("button", name="Ask the hall").click()
    await presenter.get_by_label("What to do to it").select_option("×4")
    await presenter.get_by_role("button", name="Vote on a feature").click()
    await card.locator(".ballot button").nth(1).click()
    chosen = await card.locator(".ballot button span").nth(2).text_content()
    await expect(presenter.get_by_label("The hall", exact=True)).to_contain_text("1 vote")
    await presenter.get_by_role("button", name="End the vote").click()
    await presenter.get_by_role("button", name=f"Do it: {chosen}").click()
    await expect(presenter.locator("#edit-chips")).to_contain_text("×4")


async def test_a_line_forms_and_a_viewer_takes_the_run_along(open_page: Opener, hall: Hall) -> None:
    presenter = await presenting(open_page, hall)
    viewer = await open_page(await pages.room_address(presenter), graph=False)
    await presenter.get_by_label("Open to all").check()
    hall.inference.script = SLOW
    await pages.generate(presenter, "The capital")
    await viewer.get_by_label("Your name in the line").fill("Ada")
    await viewer.get_by_role("button", name="Get in line").click()
    for page in (presenter, viewer):
        await expect(page.locator("#line li")).to_contain_text("Ada")
    await expect(viewer.locator("#line")).to_contain_text("You are next.")
    await keep(viewer, "hall-line")
    hall.inference.script = Script(prompt=("<bos>", "In", " spring"))
    await viewer.get_by_label("Prompt").fill("In spring")
    await viewer.get_by_role("button", name="Leave the line").click()
    await viewer.get_by_role("button", name="Get in line").click()
    await expect(viewer.locator("#line")).to_contain_text("You are next.")
    await presenter.get_by_role("button", name="Stop").click()
    for page in (presenter, viewer):
        await expect(page.locator("#tokens")).to_contain_text("In spring")
    await pages.end_of_run(viewer)
    await expect(viewer.locator("#line li")).to_have_count(0)
    # Its own room has the run, its prompt and its seed.
    link = viewer.get_by_role("link", name="Take it with me")
    own = await open_page(str(await link.get_attribute("href")), graph=False)
    await expect(own.get_by_label("Prompt")).to_have_value("In spring")
    await expect(own.locator("#tokens")).to_have_text(
        await viewer.locator("#tokens").text_content() or ""
    )
    await expect(pages.generate_button(own)).to_be_enabled()
    # And what was generated before can be gone back to.
    await viewer.get_by_role("button", name="Earlier generations").click()
    await pages.wait_for(viewer, "a.origin === 'recording'")
    await expect(viewer.locator("#run")).to_contain_text("2")


async def test_scenes_are_saved_and_played_without_a_server(
    open_page: Opener, hall: Hall, tmp_path: Path
) -> None:
    presenter = await presenting(open_page, hall)
    for token in (1, 3):
        await presenter.locator("#tokens [role=option]").nth(token).click()
        await presenter.get_by_role("button", name="Scenes").click()
        texts = presenter.get_by_label("Text of the scene")
        before = await texts.count()
        await presenter.get_by_role("button", name="Save what is on show").click()
        await expect(texts).to_have_count(before + 1)
        await texts.last.fill(f"at token {token}")
        await presenter.get_by_role("button", name="Close").last.click()
    await presenter.get_by_role("button", name="Scenes").click()
    async with presenter.expect_download() as download:
        await presenter.get_by_role("button", name="Save as a file").click()
    file = tmp_path / "scenes.jsonl"
    await (await download.value).save_as(file)
    elsewhere = await open_page(hall.url, graph=False)
    await elsewhere.wait_for_load_state("networkidle")
    await elsewhere.context.set_offline(True)
    await elsewhere.get_by_label("Recording", exact=True).set_input_files(file)
    caption = elsewhere.locator("#scene")
    await expect(caption).to_have_text("at token 1")
    for key, told, token in (("PageDown", "at token 3", 3), ("ArrowLeft", "at token 1", 1)):
        await elsewhere.keyboard.press(key)
        await expect(caption).to_have_text(told)
        await expect(elsewhere.locator("#tokens [aria-selected=true]")).to_have_attribute(
            "data-index", str(token)
        )
    await keep(elsewhere, "scene")
    await elsewhere.keyboard.press("Escape")
    await expect(caption).to_be_hidden()
