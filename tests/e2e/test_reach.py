"""Edits on the page: the dial, the chips beside the prompt, the twin, and what a token could be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import boxes, keep, overlapping
from .pages import Opener
from .test_page import REPLAY

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

#: Fires at nearly every token of the made-up text.
SOURCE, FEATURE, LABEL = "axon-demo/2-res", 1000, "text goes on"
EDIT = {"source": SOURCE, "feature": FEATURE, "scale": 0, "where": "while_firing"}


def chips(page: Page) -> Locator:
    return page.get_by_role("group", name="Edits").locator(".edit .name")


def dial(page: Page) -> Locator:
    return page.get_by_label("Chosen feature").get_by_role("group", name="Turn this feature")


async def generated(gateway: Gateway, open_page: Opener, **options: Any) -> Page:
    """A page that shows a short generation, and has chosen the feature that the tests edit."""
    page = await open_page(f"{gateway.url}/?feature={SOURCE}/{FEATURE}", **options)
    await pages.set_knobs(page, {"Max tokens": 12})
    await page.locator("summary").click()
    await pages.generate(page)
    await pages.end_of_run(page)
    await expect(dial(page)).to_be_visible()
    return page


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_silenced_feature_is_seen_beside_the_untouched_twin(
    gateway: Gateway, open_page: Opener, size: str
) -> None:
    page = await generated(gateway, open_page, size=size)
    await dial(page).get_by_role("button", name="Silence").focus()
    await page.keyboard.press("Enter")
    await expect(chips(page)).to_have_text([f"“{LABEL}” silenced"])
    await pages.wait_for(page, "location.search.includes('edit=axon-demo/2-res/1000+silence')")
    await keep(page, f"dial-{size}")
    await page.get_by_role("button", name="Close").click()
    await pages.generate(page)
    await pages.end_of_run(page)
    sent = gateway.requests[-1]
    assert sent["branches"] == [{"name": "as is"}, {"name": "with", "edits": [EDIT]}]

    texts = page.locator("#text .tokens")
    await expect(texts).to_have_count(2)
    as_is, edited = await texts.all()
    await expect(as_is).to_contain_text("is Paris, and the capital")
    await expect(edited).to_contain_text("is Italy is Rome.")
    await expect(page.locator(".chip.parting")).to_have_text(["Paris", "Italy"])
    panes = await boxes(page, ".pane")
    assert overlapping(panes) == []
    beside = panes[1]["left"] >= panes[0]["right"]
    assert beside == (size == "desktop")
    # The edited text is on show: there the feature is listed, and marked, though it is silent.
    await page.locator(".chip.parting").nth(1).click()
    await expect(page.locator("#token-facts")).to_contain_text(f"edited {LABEL}")
    row = page.locator("#strongest-list .row.edited")
    await expect(row).to_contain_text(LABEL)
    assert "edited from" in (await row.get_attribute("aria-description") or "")
    await keep(page, f"twin-{size}")
    name = page.get_by_role("button", name="as is")
    await name.focus()
    await page.keyboard.press("Enter")
    await expect(name).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#strongest-title")).to_contain_text("Paris")
    await expect(row).to_have_count(0)


@pytest.mark.parametrize("size", ["desktop", "phone", "projector"])
async def test_each_text_of_a_twin_has_its_own_candidates(
    gateway: Gateway, open_page: Opener, size: str
) -> None:
    branches = [{"name": "as is", "edits": []}, {"name": "with", "edits": [EDIT]}]
    twin = fake_stream.generation("The capital is", 9, 4, fake_stream.SOURCES, branches, 4)
    gateway.recordings["twin"] = [{**one, "seq": seq} for seq, one in enumerate(twin, 1)]
    page = await open_page(gateway.url + REPLAY, size, reduced_motion="no-preference")
    # Step by step.
    await page.evaluate("localStorage.setItem('axon.display', '0')")
    await page.goto(f"{gateway.url}/?replay=/made/twin.jsonl")
    fans = page.locator(".pane .fan")
    await expect(fans).to_have_count(2)
    as_is, edited = await fans.all()
    await expect(as_is.locator("li")).to_have_text(["and 55%", ", 27%", "Rome 14%", ". 7%"])
    await expect(edited.locator("li").nth(1)).to_have_text("is 27%")
    await page.keyboard.press("PageDown")
    await expect(as_is.locator("li").nth(1)).to_have_text("and 27%")
    await expect(edited.locator("li").nth(1)).to_have_text("Rome 27%")
    assert overlapping(await boxes(page, ".pane")) == []
    assert overlapping(await boxes(page, ".fan, .branch, .pane .tokens")) == []
    await pages.settled(page)
    await keep(page, f"fan-of-twin-{size}")
    await page.keyboard.press("f")
    await expect(page.locator("#side")).to_be_hidden()
    await pages.painted(page)
    assert overlapping(await boxes(page, ".fan, .branch, .pane .tokens")) == []
    await keep(page, f"fan-of-twin-presented-{size}")


@pytest.mark.parametrize("size", ["desktop", "phone", "projector"])
async def test_doses_of_a_feature_are_rows(gateway: Gateway, open_page: Opener, size: str) -> None:
    page = await generated(gateway, open_page, graph=False)
    await dial(page).get_by_role("button", name="Doses").click()
    await pages.wait_for(page, "a.phase === 'generating'")
    await pages.end_of_run(page)
    doses = [{"name": f"×{scale}", "edits": [{**EDIT, "scale": scale}]} for scale in (0, 0.5, 2, 4)]
    assert gateway.requests[-1]["branches"] == [{"name": "as is"}, *doses]
    start = max(i for i, frame in enumerate(gateway.log) if frame["type"] == "started")
    gateway.recordings["doses"] = gateway.log[start:]

    page = await open_page(f"{gateway.url}/?replay=/made/doses.jsonl&pace=0", size)
    await expect(page.locator("#text-title")).to_have_text(f"Doses of “{LABEL}”")
    parting = page.locator(".chip.parting")
    await expect(parting).to_have_text(["Paris", *4 * ["Italy"]])
    # Each row stands where it parts, however long it is.
    await page.wait_for_function(
        """() => [...document.querySelectorAll(".chip.parting")].every(chip => {
            const [{ top, bottom }, list] = [chip, chip.closest(".tokens")].map(
                e => e.getBoundingClientRect());
            return top >= list.top - 4 && bottom <= list.bottom + 4;
        })"""
    )
    rows = await boxes(page, ".pane")
    assert overlapping(rows) == []
    assert [row["left"] for row in rows] == 5 * [rows[0]["left"]]
    await pages.settled(page)
    await keep(page, f"doses-{size}")
    await page.keyboard.press("f")
    await expect(page.locator("#side")).to_be_hidden()
    await pages.painted(page)
    await keep(page, f"doses-presented-{size}")


async def test_a_change_reaches_the_running_generation_and_its_recording(
    gateway: Gateway, open_page: Opener, tmp_path: Path
) -> None:
    page = await generated(gateway, open_page, graph=False)
    gateway.step_seconds = 0.5
    await pages.generate(page)
    await pages.wait_for(page, "a.phase === 'generating' && a.tokenCount > 7")
    gateway.go.clear()
    await dial(page).get_by_role("button", name="×4").click()
    await expect(page.locator("#edits-when")).to_have_text("in force")
    gateway.step_seconds = 0.05
    gateway.go.set()
    await pages.wait_for(page, "a.phase === 'finished'")
    louder = {**EDIT, "scale": 4}
    assert gateway.requests[-1] == {"type": "edit", "branch": 0, "edits": [louder]}
    [told] = [frame for frame in gateway.log if frame["type"] == "edited"]
    assert told["edits"] == [louder]

    recording = tmp_path / "edited.jsonl"
    start = max(i for i, frame in enumerate(gateway.log) if frame["type"] == "started")
    lines = [json.dumps({**frame, "time": frame["seq"]}) for frame in gateway.log[start:]]
    recording.write_text("\n".join(lines))
    other = await open_page(f"{gateway.url}/?replay=none", graph=False)
    await other.get_by_label("Recording", exact=True).set_input_files(recording)
    await other.get_by_role("button", name="End", exact=True).click()
    await expect(chips(other)).to_have_text([f"“{LABEL}” ×4"])
    before = other.locator("#tokens .chip").nth(told["position"] - 1)
    await before.click()
    await expect(chips(other)).to_have_count(0)
    await other.locator("#tokens .chip").nth(told["position"]).click()
    await expect(chips(other)).to_have_text([f"“{LABEL}” ×4"])


async def test_a_refused_edit_is_told_at_the_dial(gateway: Gateway, open_page: Opener) -> None:
    gateway.not_editable = SOURCE
    page = await generated(gateway, open_page, graph=False)
    await dial(page).get_by_role("button", name="×2").click()
    await pages.generate(page)
    told = page.get_by_label("Chosen feature").get_by_role("alert")
    await expect(told).to_contain_text(f"Not taken (“{LABEL}” ×2)")
    await expect(told).to_contain_text("cannot be edited")
    await page.get_by_role("button", name="Close").click()
    await expect(page.locator("#edits-problem")).to_contain_text("cannot be edited")
    await page.get_by_role("button", name=f"Remove edit “{LABEL}” ×2").click()
    await expect(page.locator("#edits")).to_be_hidden()
    await pages.generate(page)
    await pages.wait_for(page, "a.phase === 'finished'")


async def test_a_link_holds_its_edits(gateway: Gateway, open_page: Opener) -> None:
    link = f"{gateway.url}/?prompt=Hello&edit={SOURCE}/{FEATURE}+swap+7&edit=nonsense"
    page = await open_page(link, graph=False)
    await expect(chips(page)).to_have_text([f"feature 7 in place of feature {FEATURE}"])
    await page.get_by_label("Beside the untouched twin").uncheck()
    await pages.generate(page)
    await pages.end_of_run(page)
    swap = {"source": SOURCE, "feature": FEATURE, "swap_with": 7, "where": "while_firing"}
    assert gateway.requests[-1]["edits"] == [swap]
    assert "branches" not in gateway.requests[-1]


async def test_a_token_shows_what_else_was_likely(gateway: Gateway, open_page: Opener) -> None:
    page = await generated(gateway, open_page, graph=False)
    await page.locator("#tokens .chip").nth(6).click()
    found = page.get_by_role("list", name="Likeliest tokens here").get_by_role("listitem")
    await expect(found).to_have_count(5)
    await expect(found.nth(0)).to_contain_text("55%")
    await expect(found.nth(1)).to_contain_text("Paris27%")
    await expect(found.nth(1)).to_have_attribute("aria-current", "true")


async def test_ten_tokens_a_second_are_asked_for_unless_one_chooses(
    gateway: Gateway, open_page: Opener
) -> None:
    page = await open_page(gateway.url, graph=False)
    await page.evaluate("localStorage.setItem('axon.pace', '')")
    await page.reload()
    await pages.generate(page)
    await pages.end_of_run(page)
    assert gateway.requests[-1]["pace"] == 10
    await page.locator("summary").click()
    await page.get_by_label("Pace").select_option("2 tokens a second")
    await page.reload()
    await pages.generate(page)
    await pages.end_of_run(page)
    assert gateway.requests[-1]["pace"] == 2
