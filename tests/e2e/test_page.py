"""The states of the page, in a real browser with a fake gateway."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from . import fake_stream, pages
from .fake_gateway import Gateway
from .looks import SIZES, boxes, graph_light, keep, overlapping
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

REPLAY = "/?replay=capital-of-france&pace=0"


def recorded(gateway: Gateway, per_source: int = 15, max_tokens: int = 40) -> str:
    """Fills the room's log with a finished generation and returns the room's path."""
    frames = fake_stream.generation(
        "The capital of France is", max_tokens, per_source, fake_stream.SOURCES
    )
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames, start=1)]
    return "/r/k3f9x2"


def fired_in(gateway: Gateway) -> set[tuple[str, int]]:
    """The source and index of each feature in the room's log."""
    return {
        (feature["source"], feature["id"])
        for frame in gateway.log
        for token in frame.get("tokens", [frame])
        for feature in token.get("features", [])
    }


async def open_recording(open_page: Opener, gateway: Gateway) -> Page:
    page = await open_page(gateway.url + REPLAY, reduced_motion="no-preference")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    return page


@pytest.mark.parametrize("size", SIZES)
async def test_a_replay_shows_text_and_graph_whole(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_page(gateway.url + recorded(gateway), size)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    await keep(page, f"page-{size}")
    assert (await pages.text(page)).startswith(
        "The capital of France is Paris, and the capital of Italy"
    )
    assert await page.evaluate("axon.nodeCount") == len(fired_in(gateway))
    # Those of the newest token alone.
    assert 0 < await page.evaluate("axon.linkCount") < 100
    assert await page.evaluate("axon.drawCalls") <= 10
    light = await graph_light(page)
    assert light["lit"] > 0.01
    assert light["colours"] > 100
    await assert_nothing_overlaps_or_is_cut_off(page, SIZES[size][0])


async def assert_nothing_overlaps_or_is_cut_off(page: Page, width: int) -> None:
    labels = await boxes(page, "#labels .label")
    assert len(labels) >= 4
    assert overlapping(labels) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    rows = await boxes(page, "#strongest-list .row")
    assert len(rows) == 5
    covered = await page.locator("#strongest-list .row").evaluate_all(
        """rows => rows.filter(row => {
          const { left, top, width, height } = row.getBoundingClientRect();
          return !row.contains(document.elementFromPoint(left + width / 2, top + height - 3));
        }).length"""
    )
    assert covered == 0


async def test_a_click_on_a_node_opens_the_inspector_and_the_camera_flies_there(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_recording(open_page, gateway)
    node = (await pages.nodes(page))[0]
    await page.mouse.click(node["x"], node["y"])
    inspector = page.get_by_label("Chosen feature")
    await expect(inspector.get_by_role("heading", name=node["name"], exact=True)).to_be_visible()
    await expect(inspector).to_contain_text(f"#{node['id']}")
    await expect(inspector).to_contain_text(node["source"])
    await pages.settled(page)
    await keep(page, "inspector")
    flown = next(n for n in await page.evaluate("axon.nodes()") if n["key"] == node["key"])
    stage = await page.locator("#stage").bounding_box()
    assert stage
    assert abs(flown["x"] - (stage["x"] + stage["width"] / 2)) < 40
    assert abs(flown["y"] - (stage["y"] + stage["height"] / 2)) < 40
    neighbour = inspector.get_by_role("option").first
    key = await neighbour.get_attribute("data-key")
    await neighbour.click()
    assert await page.evaluate("axon.chosen") == key
    await page.keyboard.press("Escape")
    await expect(inspector).to_be_hidden()


async def test_the_inspector_asks_again_after_a_failed_request(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.labels_on = False
    page = await open_page(gateway.url + recorded(gateway), graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    feature = page.locator("#strongest-list [role=option]").first
    inspector = page.get_by_label("Chosen feature")
    async with page.expect_response("**/api/features/**"):
        await feature.click()
    await expect(inspector).to_contain_text("seen here")
    gateway.labels_on = True
    await page.keyboard.press("Escape")
    await expect(inspector).to_be_hidden()
    await feature.click()
    await expect(inspector).to_contain_text("highest known 14.5")


async def test_a_token_shows_its_own_features(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + recorded(gateway), graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    await page.locator("#tokens").get_by_role("option", name="Italy", exact=True).click()
    await expect(page.locator("#strongest-title")).to_have_text("Strongest at “Italy”")
    names = await page.locator("#strongest-list .name").all_text_contents()
    assert "names of countries" in names
    await keep(page, "token")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(page.locator("#strongest-title")).to_have_text("Strongest at “is”")


async def test_one_token_is_marked_newest_however_many_come_at_once(
    open_page: Opener, gateway: Gateway
) -> None:
    frames = list(fake_stream.generation("The capital", 60, 4, fake_stream.SOURCES))
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames[:3], start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2", graph=False)
    await pages.wait_for(page, "a.tokenCount === 4")
    await expect(page.locator("#tokens .newest")).to_have_count(1)
    await gateway.emit_at_once(frames[3:])
    await pages.wait_for(page, "a.phase === 'finished'")
    chips = page.locator("#tokens [role=option]")
    await expect(chips).to_have_count(63)
    await expect(page.locator("#tokens .newest")).to_have_count(1)
    await expect(chips.last).to_have_class(re.compile("newest"))
    faded = await chips.nth(3).evaluate("chip => Number(chip.style.opacity)")
    assert faded < await chips.last.evaluate("chip => Number(chip.style.opacity)")


async def test_only_the_start_of_the_text_is_shown_as_a_sign(
    open_page: Opener, gateway: Gateway
) -> None:
    started, prompt, *_ = fake_stream.generation("Write <b> in", 1, 0, fake_stream.SOURCES)
    assert [token["token"] for token in prompt["tokens"][1:]] == ["Write", " <b>", " in"]
    prompt["tokens"][2]["token"] = "<b>"
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate([started, prompt], start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2", graph=False)
    await pages.wait_for(page, "a.tokenCount === 4")
    await expect(page.locator("#tokens")).to_have_text("startWrite<b> in")


async def test_the_first_visit_plays_a_recording_until_generate_is_pressed(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url)
    await expect(page.get_by_label("Prompt")).to_have_value("The capital of France is")
    await expect(page.locator("#notice")).to_have_text("Recording of an earlier run")
    await pages.wait_for(page, "a.origin === 'recording' && a.tokenCount > 8")
    await pages.settled(page)
    await keep(page, "first-visit")
    await pages.generate(page, "In spring")
    await expect(page.locator("#notice")).to_be_hidden()
    await pages.end_of_run(page)
    assert (await pages.text(page)).startswith("In spring Paris")
    await expect(page.locator("#status")).to_contain_text("Finished: 60 tokens")


async def test_stop_ends_the_generation_and_keeps_its_text(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.step_seconds = 0.2
    page = await open_page(gateway.url, graph=False)
    await pages.stop_after(page, 10)
    await pages.generate(page)
    await expect(page.locator("#status")).to_contain_text("Stopped after")
    assert await page.evaluate("axon.phase") == "stopped"
    await expect(pages.generate_button(page)).to_be_enabled()


async def test_bad_input_is_reported_at_its_field(open_page: Opener, gateway: Gateway) -> None:
    gateway.step_seconds = 0.01
    page = await open_page(gateway.url, graph=False)
    await expect(pages.generate_button(page)).to_be_enabled()
    for label, value, message in (
        ("Temperature", "99", "must be from 0 to 10"),
        ("Top-P", "-1", "must be from 0 to 1"),
        ("Max tokens", "many", "not a number"),
        ("Prompt", "  ", "empty"),
    ):
        await page.locator("summary").click()
        field = page.get_by_label(label)
        good = await field.input_value()
        await field.fill(value)
        await page.locator("summary").click()
        await pages.generate_button(page).click()
        described = await field.get_attribute("aria-describedby") or ""
        problem = page.locator(f"#{described.split()[-1]}")
        assert await page.evaluate("axon.tokenCount") > 0  # the recording is still on show
        await expect(problem).to_be_visible()
        await expect(problem).to_contain_text(message)
        await expect(field).to_have_attribute("aria-invalid", "true")
        await keep(page, f"bad-{label.lower().replace(' ', '-')}")
        await field.fill(good)
        await expect(problem).to_be_hidden()
        await page.locator("summary").evaluate("summary => { summary.parentElement.open = false }")
    await pages.generate_button(page).click()
    await pages.end_of_run(page)
    await expect(page.locator("#status")).to_contain_text("Finished")


async def test_the_knobs_are_sent_and_remembered(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url, graph=False)
    await expect(pages.generate_button(page)).to_be_enabled()
    await page.locator("summary").click()
    wanted = {
        "Temperature": ("temperature", 0.5),
        "Top-K": ("top_k", 40),
        "Top-P": ("top_p", 0.9),
        "Repetition penalty": ("repetition_penalty", 1.2),
        "Max tokens": ("max_tokens", 3),
        "Features per token": ("feat_k", 4),
        "Activation threshold": ("act_threshold", 0.5),
    }
    for label, (_, value) in wanted.items():
        await page.get_by_label(label).fill(str(value))
    await page.get_by_label("Seed").fill("18446744073709551615")
    await keep(page, "knobs")
    await pages.generate(page)
    await pages.end_of_run(page)
    sent = gateway.requests[-1]
    assert {name: sent[name] for name, _ in wanted.values()} == dict(wanted.values())
    assert sent["seed"] == "18446744073709551615"
    await page.reload()
    await expect(page.locator("#knobs-line")).to_contain_text("temperature 0.5")
    await expect(page.get_by_label("Features per token")).to_have_value("4")


async def test_sources_that_are_off_are_hidden_and_not_requested(
    open_page: Opener, gateway: Gateway
) -> None:
    gateway.step_seconds = 0.01
    page = await open_page(gateway.url, device_scale_factor=0.5)
    await expect(pages.generate_button(page)).to_be_enabled()
    await page.get_by_role("checkbox", name="axon-demo/0-res").uncheck()
    await pages.generate(page)
    await pages.end_of_run(page)
    assert gateway.requests[-1]["sources"] == fake_stream.SOURCES[1:]
    await page.get_by_role("checkbox", name="axon-demo/3-res").uncheck()
    await pages.wait_for(page, "!a.nodes().some(n => n.source === 'axon-demo/3-res')")
    shown = {node["source"] for node in await page.evaluate("axon.nodes()")}
    assert shown == {"axon-demo/1-res", "axon-demo/2-res"}


async def test_a_queued_request_shows_its_position(open_page: Opener, gateway: Gateway) -> None:
    gateway.queue = 2
    page = await open_page(gateway.url, graph=False)
    await pages.note(page, "#status")
    await pages.generate(page)
    for words in (
        "Waiting: 2 requests ahead.",
        "Waiting: one request ahead.",
        "Generating: token",
    ):
        await pages.has_said(page, "#status", words)


async def test_the_page_waits_for_a_loading_model(open_page: Opener, gateway: Gateway) -> None:
    gateway.ready = False
    page = await open_page(gateway.url, graph=False)
    words = "The model is not ready yet: reading the weights"
    await expect(page.locator("#status")).to_have_text(words)
    await expect(pages.generate_button(page)).to_be_disabled()
    source = page.locator("#source-list .source").first
    await expect(source).to_have_text(fake_stream.SOURCES[0])
    gateway.ready = True
    await expect(pages.generate_button(page)).to_be_enabled()
    await expect(source).to_contain_text("layer 0")


async def test_a_broken_connection_resumes_without_loss(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url, graph=False)
    await pages.generate(page)
    await pages.wait_for(page, "a.origin === 'live' && a.tokenCount > 10")
    await pages.note(page, "#connection")
    await gateway.drop_sockets()
    await pages.has_said(page, "#connection", "reconnecting")
    await pages.end_of_run(page)
    assert await page.evaluate("axon.tokenCount") == 66
    words = "".join(token for token, _ in fake_stream.CONTINUATION)
    assert f"The capital of France is{words} Paris, and" in await pages.text(page)
    returned = gateway.paths[-1]
    assert "room=k3f9x2" in returned
    assert gateway.entered[-1]["token"] == "secret"
    assert "from=1&" not in returned


async def test_a_viewer_sees_the_room_and_cannot_generate(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + recorded(gateway), graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    assert gateway.paths == ["/ws?enter&room=k3f9x2&from=1"]
    await expect(pages.generate_button(page)).to_be_disabled()


async def test_without_webgl_text_and_features_still_work(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + REPLAY + "&webgl=off")
    await pages.wait_for(page, "a.phase === 'finished'")
    await expect(page.locator("#notice")).to_contain_text("no WebGL")
    assert "Paris" in await pages.text(page)
    await page.locator("#strongest-list [role=option]").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Chosen feature")).to_be_visible()
    await keep(page, "no-webgl")


async def test_with_reduced_motion_the_graph_stands_still(
    open_page: Opener, gateway: Gateway
) -> None:
    async def places(page: Page) -> str:
        return json.dumps(
            [[round(n["x"], 1), round(n["y"], 1)] for n in await page.evaluate("axon.nodes()")]
        )

    for motion, moves in (("reduce", False), ("no-preference", True)):
        page = await open_page(gateway.url + REPLAY, reduced_motion=motion, device_scale_factor=0.5)
        await pages.wait_for(page, "a.phase === 'finished'")
        await pages.settled(page)
        before = await places(page)
        await asyncio.sleep(1)
        while moves and await places(page) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert (await places(page) != before) is moves
    # After a drag (begun where no label is) the picture slows down, and then no longer drifts.
    await page.mouse.move(310, 500)
    await page.mouse.down()
    await page.mouse.move(340, 500)
    await page.mouse.up()
    # It does so frame by frame, of which a busy machine draws few.
    for _ in range(100):
        before = await places(page)
        await asyncio.sleep(0.5)
        if await places(page) == before:
            return
    pytest.fail("the picture still turns")


async def test_the_page_reports_an_unreadable_recording(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + "/?replay=nowhere", graph=False)
    await expect(page.locator("#status")).to_have_text("The recording cannot be shown: HTTP 404.")


async def delayed(page: Page, start: asyncio.Event) -> None:
    """The first recording arrives only after `start`."""

    async def answer(route: Route) -> None:
        await start.wait()
        await route.continue_()

    await page.route("**/recordings/*.jsonl", answer)


async def test_a_first_recording_that_comes_late_replaces_nothing(
    open_page: Opener, gateway: Gateway, tmp_path: Path
) -> None:
    frames = list(fake_stream.generation("Elsewhere", 5, 5, fake_stream.SOURCES))
    lines = [json.dumps({**frame, "seq": seq}) for seq, frame in enumerate(frames, start=1)]
    file = tmp_path / "own.jsonl"
    file.write_text("\n".join(lines))
    start = asyncio.Event()
    page = await open_page(gateway.url + "/?replay=nowhere", graph=False)
    await delayed(page, start)
    await page.goto(gateway.url + "/?webgl=off")
    await page.get_by_label("Recording", exact=True).set_input_files(file)
    await pages.wait_for(page, "a.tokenCount > 1")
    async with page.expect_response("**/recordings/*.jsonl"):
        start.set()
    await page.wait_for_timeout(500)
    assert (await pages.text(page)).startswith("Elsewhere")


async def test_a_link_to_a_run_does_not_show_another_text(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + "/?prompt=In+spring&seed=7", graph=False)
    await expect(pages.generate_button(page)).to_be_enabled()
    await page.wait_for_timeout(500)
    assert await page.evaluate("[axon.origin, axon.tokenCount]") == ["none", 0]
    await keep(page, "linked-run")


async def test_the_first_recording_stands_still_under_reduced_motion(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url, graph=False, reduced_motion="reduce")
    phase = await page.wait_for_function("axon.origin === 'recording' && axon.phase")
    assert await phase.json_value() == "finished"
    await expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
