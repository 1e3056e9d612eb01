"""Rooms with a presenter and viewers, against the real gateway; and what can go wrong there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from playwright.async_api import Page, expect

from ..integration.gateway.fake_inference import Failure, Script
from ..patience import eventually
from . import pages
from .hall import SLOW, Hall, open_hall
from .looks import keep
from .pages import Opener
from .stack import START_SECONDS, Stack

# The first test of the stack waits until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(START_SECONDS + 120)]


async def opened(open_page: Opener, hall: Hall, graph: bool = False, **options: Any) -> Page:
    """A presenter's page whose first generation has ended, or still runs if the script is slow."""
    page = await open_page(hall.url, graph=graph, **options)
    await pages.generate(page, "The capital")
    await pages.wait_for(page, "a.origin === 'live' && a.tokenCount > 3")
    return page


async def presenting(open_page: Opener, stack: Stack) -> Page:
    """A page that has opened a room, whose address it shows."""
    page = await open_page(stack.url, graph=False)
    await pages.generate(page)
    await pages.wait_for(page, "a.origin === 'live'")
    await pages.end_of_run(page)
    return page


async def test_the_link_shows_the_same_text_and_a_reload_keeps_the_role(
    stack: Stack, open_page: Opener
) -> None:
    presenter = await presenting(open_page, stack)
    link = await presenter.get_by_role("link", name="Room").get_attribute("href")
    room = await pages.room_address(presenter)
    assert room.endswith(str(link))
    viewer = await open_page(room, graph=False)
    await pages.end_of_run(viewer)
    assert await pages.text(viewer) == await pages.text(presenter)
    await expect(pages.generate_button(viewer)).to_be_disabled()
    await presenter.reload()
    await pages.wait_for(presenter, "a.origin === 'live' && a.phase === 'finished'")
    await expect(pages.generate_button(presenter)).to_be_enabled()


async def test_a_viewer_can_generate_while_the_room_is_open_to_all(
    stack: Stack, open_page: Opener
) -> None:
    presenter = await presenting(open_page, stack)
    viewer = await open_page(await pages.room_address(presenter), graph=False)
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
    room = (await pages.room_address(presenter)).rpartition("/")[2]
    path = f"/api/rooms/{room}/recording.jsonl"
    async with aiohttp.ClientSession(stack.url) as http, http.get(path) as answer:
        recording = await answer.read()
    file = tmp_path / "room.jsonl"
    file.write_bytes(recording)
    visitor = await open_page(stack.url, graph=False)
    await visitor.get_by_label("Recording", exact=True).set_input_files(file)
    await pages.wait_for(visitor, "a.origin === 'recording' && a.phase === 'finished'")
    assert await pages.text(visitor) == await pages.text(presenter)
    # The visitor's own room has streamed nothing.
    await expect(visitor.get_by_role("button", name="Back to the room")).to_be_hidden()
    # A file that is cut off, as that of a room still in use, plays to the cut, and the page
    # says so.
    # The cut is near the end: the prompt's line alone may be half of a short recording.
    lines = recording.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-4]) + lines[-4][:40])
    await visitor.get_by_label("Recording", exact=True).set_input_files(file)
    await expect(visitor.get_by_role("alert")).to_contain_text("its end is missing")
    await pages.wait_for(visitor, "a.tokenCount > 2")
    assert (await pages.text(presenter)).startswith(await pages.text(visitor))


async def test_from_a_recording_back_to_the_room(
    open_page: Opener, hall: Hall, tmp_path: Path
) -> None:
    hall.inference.script = Script(prompt=("<bos>", "Elsewhere"))
    elsewhere = await opened(open_page, hall)
    await pages.end_of_run(elsewhere)
    room = (await pages.room_address(elsewhere)).rpartition("/")[2]
    async with (
        aiohttp.ClientSession(hall.url) as http,
        http.get(f"/api/rooms/{room}/recording.jsonl") as answer,
    ):
        file = tmp_path / "elsewhere.jsonl"
        file.write_bytes(await answer.read())
    hall.inference.script = Script()
    page = await opened(open_page, hall)
    await pages.end_of_run(page)
    streamed = await pages.text(page)
    back = page.get_by_role("button", name="Back to the room")
    await expect(back).to_be_hidden()
    await page.get_by_label("Recording", exact=True).set_input_files(file)
    await pages.wait_for(page, "a.origin === 'recording' && a.tokenCount > 2")
    assert (await pages.text(page)).startswith("Elsewhere")
    await keep(page, "recording-in-a-room")
    await back.click()
    await pages.end_of_run(page)
    assert await pages.text(page) == streamed
    await expect(back).to_be_hidden()
    # The room is still this page's own.
    await expect(pages.generate_button(page)).to_be_enabled()


async def test_a_room_is_private_until_it_is_shared(open_page: Opener, hall: Hall) -> None:
    presenter = await open_page(hall.url, graph=False)
    await expect(pages.generate_button(presenter)).to_be_enabled()
    assert "/r/" not in presenter.url
    await expect(presenter.get_by_role("link", name="Room")).to_be_hidden()
    assert len(hall.gateway.gateway.rooms) == 0
    await presenter.get_by_role("button", name="Share").click()
    await expect(presenter.get_by_role("link", name="Room")).to_be_attached()
    viewer = await open_page(await pages.room_address(presenter), graph=False)
    await expect(presenter.get_by_role("dialog", name="Watch along")).to_contain_text("1 other")
    await presenter.keyboard.press("Escape")
    await pages.generate(presenter, "The capital")
    for page in (presenter, viewer):
        await pages.end_of_run(page)
    assert await pages.text(viewer) == await pages.text(presenter)


async def test_share_shows_the_link_a_qr_code_and_who_is_here(
    open_page: Opener, hall: Hall
) -> None:
    presenter = await opened(open_page, hall)
    await presenter.get_by_role("button", name="Share").click()
    dialog = presenter.get_by_role("dialog", name="Watch along")
    link = dialog.get_by_role("link")
    room = await pages.room_address(presenter)
    await expect(link).to_have_text(room.partition("://")[2])
    await expect(dialog.get_by_text("Nobody else is here yet")).to_be_visible()
    code = dialog.get_by_role("img", name="QR code")
    await expect(code).to_be_visible()
    box = await code.bounding_box()
    assert box
    assert min(box["width"], box["height"]) > 500
    await open_page(room, graph=False)
    await expect(dialog.get_by_text("1 other is here")).to_be_visible()
    await keep(presenter, "share-desktop")
    await presenter.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()


async def test_the_page_shows_the_roles_and_that_the_presenter_has_left(
    open_page: Opener, hall: Hall
) -> None:
    presenter = await opened(open_page, hall)
    link = await pages.room_address(presenter)
    viewer = await open_page(link)
    await expect(presenter.locator("#connection")).to_have_text(
        "connected · you present · 1 watching"
    )
    await expect(viewer.locator("#connection")).to_have_text("connected · you watch · 1 watching")
    state = await presenter.context.storage_state()
    await presenter.context.close()
    await expect(viewer.locator("#notice")).to_contain_text("The presenter has left.")
    await keep(viewer, "presenter-gone")
    again = await open_page(link, graph=False, storage_state=state)
    await expect(viewer.locator("#notice")).to_be_hidden()
    await expect(pages.generate_button(again)).to_be_enabled()


async def pose(page: Page) -> list[float]:
    """The camera as seen from the chosen node: without a map, each browser finds its own places."""
    found: list[float] = await page.evaluate(
        """() => {
            const { position, target } = axon.graph.pose();
            const { place } = axon.nodes().find(({ key }) => key === axon.chosen);
            return [...position, ...target].map((at, i) => at - place[i % 3]);
        }"""
    )
    return found


async def same_pose(one: Page, other: Page) -> None:
    """Waits until both cameras stand at the same place."""
    for _ in range(100):
        poses = zip(await pose(one), await pose(other), strict=True)
        if all(abs(a - b) < 1 for a, b in poses):
            return
        await one.wait_for_timeout(200)
    assert await pose(one) == pytest.approx(await pose(other), abs=1)


async def drag(page: Page, by: int) -> None:
    """Turns the camera by hand."""
    await page.mouse.move(800, 300)
    await page.mouse.down()
    await page.mouse.move(800 + by, 320, steps=5)
    await page.mouse.up()


async def test_viewers_follow_the_presenter_until_they_move(open_page: Opener, hall: Hall) -> None:
    # Few pixels, since several pages draw at once.
    moving = {"reduced_motion": "no-preference", "device_scale_factor": 0.5}
    presenter = await opened(open_page, hall, graph=True, **moving)
    await pages.end_of_run(presenter)
    viewer = await open_page(await pages.room_address(presenter), **moving)
    await pages.end_of_run(viewer)
    follow = viewer.get_by_role("button", name="Follow the presenter")
    await presenter.locator("#strongest-list [role=option]").nth(1).click()
    chosen = await presenter.evaluate("axon.chosen")
    await pages.wait_for(viewer, f"a.chosen === '{chosen}'")
    await expect(follow).to_have_attribute("aria-pressed", "true")
    # Poses are relative to the chosen node, which must have its place.
    for page in (presenter, viewer):
        await pages.wait_for(page, "a.nodeCount > 0 && a.atRest")
    before = await pose(presenter)
    await drag(presenter, 150)

    async def has_moved() -> bool:
        return await pose(presenter) != pytest.approx(before, abs=5)

    await eventually(has_moved)
    await same_pose(viewer, presenter)
    assert await pose(viewer) != pytest.approx(before, abs=5)
    await expect(follow).to_have_attribute("aria-pressed", "true")
    await keep(viewer, "following")
    # A viewer who moves the camera stops following, and the button starts it again.
    await drag(viewer, -200)
    await expect(follow).to_have_attribute("aria-pressed", "false")
    await presenter.locator("#tokens [role=option]").nth(2).click()
    await viewer.wait_for_timeout(1000)
    assert await viewer.evaluate("axon.token") is None
    await follow.click()
    await pages.wait_for(viewer, "a.token === 2")
    await same_pose(viewer, presenter)
    # A viewer who chooses a token stops following, too.
    await viewer.locator("#tokens [role=option]").nth(4).click()
    await expect(follow).to_have_attribute("aria-pressed", "false")
    # A viewer who joins later gets the presenter's view at once.
    late = await open_page(presenter.url, "phone")
    await pages.wait_for(late, f"a.chosen === '{chosen}' && a.token === 2")
    await keep(late, "following-phone")


async def test_the_page_reports_a_lost_connection_and_resumes(
    open_page: Opener, hall: Hall
) -> None:
    hall.inference.script = SLOW
    presenter = await opened(open_page, hall, graph=True)
    await presenter.context.set_offline(True)
    notice = presenter.locator("#notice")
    await expect(notice).to_contain_text("This device is offline. Reconnecting in")
    await expect(presenter.get_by_role("button", name="Try now")).to_be_visible()
    await keep(presenter, "offline")
    before = await presenter.evaluate("axon.tokenCount")
    await presenter.context.set_offline(False)
    await expect(notice).to_be_hidden()
    await pages.wait_for(presenter, f"a.tokenCount > {before + 10}")
    texts = await presenter.locator("#tokens .made").all_inner_texts()
    assert texts == [f"word{i}" for i in range(len(texts))]
    await pages.note(presenter, "#notice")
    await hall.drop_sockets()
    await pages.has_said(presenter, "#notice", "Connection lost. Reconnecting in")
    await expect(notice).to_be_hidden()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", retry_seconds=7),
            "Too many people are generating. Try again in 7 s.",
        ),
        (
            Failure(grpc.StatusCode.UNAVAILABLE, "draining"),
            "The model is not ready yet. Try again in a moment.",
        ),
        (
            Failure(grpc.StatusCode.INTERNAL, "boom"),
            "The model failed on this request. Press Generate again; if it fails again, change the "
            "settings.",
        ),
    ],
)
async def test_a_refused_generation_says_what_to_do(
    open_page: Opener, hall: Hall, failure: Failure, words: str
) -> None:
    hall.inference.script.refusal = failure
    page = await open_page(hall.url, graph=False)
    await pages.generate(page)
    await expect(page.locator("#status")).to_have_text(words)
    await expect(pages.generate_button(page)).to_be_enabled()


async def test_the_page_reports_a_lost_backend_and_waits_for_it(
    open_page: Opener, hall: Hall
) -> None:
    hall.inference.script = SLOW
    page = await opened(open_page, hall)
    port = hall.inference.port
    await hall.inference.stop()
    await expect(page.locator("#status")).to_contain_text("The model is not there now")
    await expect(pages.generate_button(page)).to_be_disabled()
    await keep(page, "backend-lost")
    await hall.inference.start(port)
    await expect(pages.generate_button(page)).to_be_enabled()


async def test_the_page_notices_another_model_after_a_restart(
    open_page: Opener, hall: Hall
) -> None:
    hall.inference.script = SLOW
    page = await opened(open_page, hall)
    await expect(page.locator("#model")).to_have_text("fake")
    port = hall.inference.port
    await hall.inference.stop()
    await expect(page.locator("#status")).to_contain_text("The model is not there now")
    hall.inference.name = "other"
    hall.inference.script = type(SLOW)()
    await hall.inference.start(port)
    await expect(page.locator("#model")).to_have_text("other")
    await expect(page.get_by_role("checkbox", name="other/0-res")).to_be_checked()
    await pages.generate(page)
    await pages.wait_for(page, "a.phase === 'finished'")


async def test_one_of_several_models_can_be_chosen(open_page: Opener, tmp_path: Path) -> None:
    async with open_hall(tmp_path, "fake", "second") as hall:
        await eventually(lambda: len(hall.gateway.gateway.backends.models()) == 2)
        page = await open_page(hall.url, graph=False)
        choice = page.get_by_label("Model", exact=True)
        await expect(choice).to_have_value("fake")
        await choice.select_option("second")
        await expect(page.get_by_role("checkbox", name="second/1-res")).to_be_visible()
        await keep(page, "models")
        await pages.generate(page)
        await pages.wait_for(page, "a.origin === 'live' && a.phase === 'finished'")
        assert len(hall.models[1].seen.requests) == 1
        assert not hall.models[0].seen.requests


async def test_the_page_asks_for_an_access_token(open_page: Opener, tmp_path: Path) -> None:
    async with open_hall(tmp_path, join_tokens=("watch",), generate_tokens=("make",)) as hall:
        page = await open_page(hall.url, graph=False)
        await expect(page.locator("#status")).to_contain_text("An access token is needed here.")
        await keep(page, "access-token")
        await page.get_by_label("Access token").fill("watch")
        await page.get_by_role("button", name="Enter").click()
        await pages.generate(page)
        await expect(page.locator("#status")).to_contain_text("An access token is needed here.")
        await page.get_by_label("Access token").fill("make")
        await page.get_by_role("button", name="Enter").click()
        await expect(page.get_by_label("Access token")).to_be_hidden()
        await pages.generate(page)
        await pages.wait_for(page, "a.origin === 'live' && a.phase === 'finished'")
        # The page keeps the secret, but removes it from the address, which people share.
        other = await open_page(f"{hall.url}/?access=make", graph=False)
        await pages.wait_for(other, "a.connection === 'open'")
        assert "access" not in other.url
        # Nothing that was asked for had a token in its address: addresses are logged.
        asked = await page.evaluate(
            "performance.getEntriesByType('resource').map((one) => one.name)"
        )
        assert any("/api/model" in url for url in asked)
        assert not any("make" in url or "token" in url for url in asked)
        await other.get_by_role("button", name="Sign out").click()
        await expect(other.get_by_label("Access token")).to_be_visible()
        await other.reload()
        await expect(other.get_by_label("Access token")).to_be_visible()


async def test_a_recording_is_saved_with_the_access_token(
    open_page: Opener, tmp_path: Path
) -> None:
    async with open_hall(tmp_path, join_tokens=("watch",)) as hall:
        page = await open_page(f"{hall.url}/?access=watch", graph=False)
        await pages.generate(page)
        await pages.wait_for(page, "a.origin === 'live' && a.phase === 'finished'")
        await page.get_by_role("button", name="Export").click()
        async with page.expect_download() as saving:
            await page.get_by_text("Recording of this room").click()
        saved = await (await saving.value).path()
        assert '"type":"end"' in saved.read_text()


async def test_a_closed_room_leads_to_a_new_one(open_page: Opener, hall: Hall) -> None:
    page = await open_page(f"{hall.url}/r/aaaaaa", "phone", graph=False)
    await expect(page.locator("#notice")).to_contain_text("This room is closed.")
    await keep(page, "room-closed")
    await page.get_by_role("button", name="Open a room").click()
    await pages.wait_for(page, "a.connection === 'open'")
    await expect(pages.generate_button(page)).to_be_enabled()


async def test_too_many_rooms(open_page: Opener, tmp_path: Path) -> None:
    async with open_hall(tmp_path, max_rooms=1) as hall:
        await opened(open_page, hall)
        page = await open_page(hall.url, graph=False)
        await pages.generate(page, "The capital")
        await expect(page.locator("#status")).to_contain_text(
            "All rooms of this server are in use."
        )


async def test_too_many_sockets(open_page: Opener, tmp_path: Path) -> None:
    async with open_hall(tmp_path, client_sockets=1) as hall:
        await opened(open_page, hall)
        page = await open_page(hall.url, graph=False)
        words = "Too many pages from your network address are connected."
        await expect(page.locator("#status")).to_contain_text(words)


async def test_a_viewers_phone_has_text_features_and_graph(open_page: Opener, hall: Hall) -> None:
    presenter = await opened(open_page, hall)
    await pages.end_of_run(presenter)
    viewer = await open_page(await pages.room_address(presenter), "phone")
    await pages.end_of_run(viewer)
    await expect(viewer.get_by_label("Prompt")).to_be_hidden()
    await expect(pages.generate_button(viewer)).to_be_hidden()
    for part in ("#tokens", "#strongest-list", "#stage", "#connection"):
        await expect(viewer.locator(part)).to_be_in_viewport()
    assert await viewer.evaluate("document.documentElement.scrollWidth") <= 390
    await keep(viewer, "watching-phone")


async def place(page: Page, key: str) -> dict[str, float]:
    """Where a feature is on the screen, how far the camera is from it, and its place on the map."""
    found: dict[str, float] = await page.evaluate(
        """key => {
            const { x, y, place } = axon.nodes().find(node => node.key === key);
            const { position } = axon.graph.pose();
            const away = Math.hypot(...position.map((p, i) => p - place[i]));
            return { x, y, map: place[0], away };
        }""",
        key,
    )
    return found


async def turn_map(page: Page) -> None:
    """Turns the map that the browser keeps by a quarter, as other visits might have made it."""
    await page.evaluate(
        """() => new Promise((resolve, reject) => {
            const open = indexedDB.open("axon-places-1");
            open.onerror = reject;
            open.onsuccess = () => {
                const change = open.result.transaction("charts", "readwrite");
                const charts = change.objectStore("charts");
                charts.openCursor().onsuccess = ({ target: { result: cursor } }) => {
                    if (!cursor) return;
                    const chart = cursor.value;
                    for (let i = 0; i < (chart.spots?.length ?? 0); i += 3) {
                        const [x, z] = [chart.spots[i], chart.spots[i + 2]];
                        [chart.spots[i], chart.spots[i + 2]] = [-z, x];
                    }
                    cursor.update(chart);
                    cursor.continue();
                };
                change.oncomplete = resolve;
            };
        })"""
    )


async def test_a_viewer_sees_the_presenters_feature_though_its_own_map_differs(
    open_page: Opener, hall: Hall
) -> None:
    # Cameras that jump and few pixels: two pages draw at once.
    look = {"reduced_motion": "reduce", "device_scale_factor": 0.5}
    presenter = await open_page(hall.url, **look)
    await pages.generate(presenter, "The capital")
    await pages.end_of_run(presenter)
    await pages.settled(presenter)
    viewer = await open_page(await pages.room_address(presenter), **look)
    await pages.end_of_run(viewer)
    await pages.settled(viewer)
    await turn_map(viewer)
    await viewer.reload()
    await pages.end_of_run(viewer)
    await pages.settled(viewer)
    rows = presenter.locator("#strongest-list [role=option]")
    maps: list[tuple[str, float]] = []
    for row in await rows.all():
        key = str(await row.get_attribute("data-key"))
        ours, theirs = await place(presenter, key), await place(viewer, key)
        maps.append((key, abs(ours["map"] - theirs["map"])))
    key, apart = max(maps, key=lambda pair: pair[1])
    assert apart > 5, "both browsers have the same map: this shows nothing"
    await presenter.locator(f'#strongest-list [data-key="{key}"]').click()
    await pages.wait_for(viewer, f"a.chosen === '{key}'")
    await drag(presenter, 150)
    for _ in range(150):
        await presenter.wait_for_timeout(200)
        ours, theirs = await place(presenter, key), await place(viewer, key)
        if all(abs(ours[name] - theirs[name]) < 4 for name in ("x", "y", "away")):
            break
    else:
        pytest.fail(f"the presenter has it at {ours}, the viewer at {theirs}")
    await keep(viewer, "following-another-map")
    await keep(presenter, "followed-with-another-map")
