"""The graph at the size of a real model's stream, in a real browser."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from . import large_stream, pages
from .cost import frame_costs, heap_bytes, yardstick_ms
from .fake_gateway import Gateway
from .looks import ARTIFACTS, boxes, graph_light, keep, overlapping
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGE = "/?replay=/large/300.jsonl&pace=0"
SMALL = "/?replay=capital-of-france&pace=0"
NODES = 4 * large_stream.PER_SOURCE
#: Script of a frame, in main thread time, that 5% may exceed; in multiples of `yardstick_ms`.
FRAME_BUDGET = 2.0
FRAMES = 120
HEAP_BUDGET_MB = 50


async def open_large(
    open_page: Opener, gateway: Gateway, size: str = "desktop", more: str = "", **options: str
) -> Page:
    """A recording of 2,000 features, all of them in place and at rest."""
    page = await open_page(gateway.url + LARGE + more, size, **options)
    await pages.wait_for(page, f"a.phase === 'finished' && a.nodeCount === {NODES}", 50)
    await pages.settled(page)
    return page


async def places(page: Page) -> dict[str, list[float]]:
    """Where every node stands in the world, by the feature's key."""
    return {node["key"]: node["place"] for node in await page.evaluate("axon.nodes()")}


async def frames(page: Page) -> int:
    drawn: int = await page.evaluate("axon.drawing.frames")
    return drawn


@pytest.mark.parametrize(
    "size", ["desktop", "phone", pytest.param("projector", marks=pytest.mark.nightly)]
)
async def test_two_thousand_nodes_and_the_links_of_a_token_in_few_draw_calls(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_large(open_page, gateway, size, "&debug")
    await pages.wait_for(page, "a.linkCount > 0")
    assert await page.evaluate("axon.drawCalls") <= 10
    overlay = page.locator("#overlay")
    await expect(overlay).to_contain_text(re.compile(r"2000 nodes, \d+ links"))
    await expect(overlay).to_contain_text(re.compile(r"\b\d+ draw calls"))
    await expect(overlay).to_contain_text("301 tokens")
    await keep(page, f"graph-large-{size}")
    labels = await boxes(page, "#labels .label")
    assert overlapping(labels) == []
    assert len(labels) >= 5
    # The list's five strongest are named in the graph, in letters that the back row can read.
    listed = await page.locator("#strongest-list .name").all_text_contents()
    named = await page.locator("#labels .label.lead").all_text_contents()
    # A name that several layers have says which.
    assert {name for name in named if name.split(" · ")[0] not in listed} == set()
    leads = await page.locator("#labels .label.lead").evaluate_all(
        "labels => labels.map(label => parseFloat(getComputedStyle(label).fontSize))"
    )
    assert len(leads) >= (5 if size != "phone" else 3)
    assert min(leads) >= {"desktop": 19, "phone": 16, "projector": 25}[size]
    light = await graph_light(page)
    assert light["lit"] > 0.02
    assert light["colours"] > 100


@pytest.mark.nightly
async def test_a_frame_costs_little_while_tokens_come_and_the_camera_turns(
    open_page: Opener, gateway: Gateway
) -> None:
    made = list(large_stream.generation(2000))
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(made[:300], start=1)]
    # Few pixels: without a graphics card each one costs time, and they are not measured here.
    page = await open_page(
        gateway.url + "/r/k3f9x2", device_scale_factor=0.25, reduced_motion="no-preference"
    )
    await pages.wait_for(page, f"a.nodeCount === {NODES} && a.linkCount > 0", 40)

    async def tokens() -> None:
        for frame in made[300:]:
            await gateway.emit(frame)
            await asyncio.sleep(0.05)

    gateway.running = asyncio.create_task(tokens())
    before = await page.evaluate("[axon.tokenCount, axon.graph.pose().position[0]]")
    costs = sorted(await frame_costs(page, FRAMES, 60))
    count, x = await page.evaluate("[axon.tokenCount, axon.graph.pose().position[0]]")
    # The camera drifts, as no visitor has moved it.
    assert count > before[0] + 20
    assert x != before[1]
    yardstick = await yardstick_ms(page)
    dear = costs[int(0.95 * (len(costs) - 1))]
    print(
        f"{len(costs)} frames, median {costs[len(costs) // 2]:.1f} ms, 95% below {dear:.1f} ms,"
        f" yardstick {yardstick:.1f} ms"
    )
    # A page that draws fewer frames does not pass: it must draw all of them.
    assert len(costs) >= FRAMES - 1
    assert dear < FRAME_BUDGET * yardstick


async def test_a_feature_stays_where_it_was_after_a_reload(
    open_page: Opener, gateway: Gateway
) -> None:
    def room_of(seed: int) -> list[dict[str, Any]]:
        made = large_stream.generation(30, 2, seed)
        return [{**frame, "seq": seq} for seq, frame in enumerate(made, start=1)]

    gateway.log = room_of(1)
    page = await open_page(gateway.url + "/r/k3f9x2")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    first = await places(page)
    # The same room, and then one where the features fire in another order.
    for log in (gateway.log, room_of(2)):
        gateway.log = log
        await page.reload()
        await pages.wait_for(page, "a.phase === 'finished'")
        await pages.settled(page)
        again = await places(page)
        shared = first.keys() & again.keys()
        assert len(shared) > 40
        # The tolerance allows for the rounding of four-byte numbers.
        moved = [key for key in shared if again[key] != pytest.approx(first[key], abs=1e-4)]
        assert moved == []
    assert again.keys() - first.keys()
    assert len({tuple(place) for place in again.values()}) == len(again)


async def test_new_tokens_move_no_node(open_page: Opener, gateway: Gateway) -> None:
    frames_of_run = list(large_stream.generation(60, 2))
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames_of_run[:30], start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2")
    await pages.wait_for(page, "a.tokenCount === 29")
    await pages.settled(page)
    before = await places(page)
    await gateway.emit_at_once(frames_of_run[30:])
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    after = await places(page)
    assert len(after) > len(before)
    assert {key: after[key] for key in before} == before


async def test_a_page_at_rest_draws_nothing(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    # What it asks for by and by, such as what is known of features, changes the picture.
    await page.wait_for_load_state("networkidle")
    await pages.settled(page)
    before = await frames(page)
    assert before > 0
    await asyncio.sleep(2)
    assert await frames(page) == before
    await page.locator("#tokens [role=option]").last.click()
    await pages.wait_for(page, f"a.drawing.frames > {before}")


async def test_weak_links_are_hidden_with_a_slider(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    every = await page.evaluate("axon.linkCount")
    slider = page.get_by_label("Hide weak links")
    await expect(slider).to_have_attribute("aria-valuetext", "all links shown")
    counts = [every]
    for value in ("20", "40", "60"):
        await slider.fill(value)
        await pages.wait_for(page, f"a.linkCount < {counts[-1]}")
        counts.append(await page.evaluate("axon.linkCount"))
    assert counts[-1] > 0
    await expect(slider).to_have_attribute("aria-valuetext", "links below 60% hidden")
    await slider.focus()
    await page.keyboard.press("Home")
    await pages.wait_for(page, f"a.linkCount === {every}")


async def test_a_feature_under_the_pointer_gets_a_ring_and_its_name(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    # The darkest that can be hovered: it shows no name yet.
    for node in reversed(await pages.nodes(page)):
        await page.mouse.move(node["x"], node["y"])
        await pages.painted(page)
        if await page.evaluate("axon.hovered") == node["key"]:
            break
    ring = page.locator("#labels .ring.hovered")
    await expect(ring).to_be_visible()
    [box] = await boxes(page, "#labels .ring.hovered")
    assert abs((box["left"] + box["right"]) / 2 - node["x"]) < 3
    assert abs((box["top"] + box["bottom"]) / 2 - node["y"]) < 3
    name = node["name"] if not node["name"].startswith("feature ") else f"#{node['id']}"
    await expect(page.locator("#labels .label").get_by_text(name[:30]).first).to_be_visible()
    await page.mouse.move(5, 5)
    await expect(ring).to_be_hidden()
    await pages.wait_for(page, "a.hovered === null")


async def test_a_label_can_be_hovered_and_clicked_like_its_node(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    box = (await boxes(page, "#labels .label"))[0]
    name = await page.locator("#labels .label").first.text_content()
    at = (box["right"] - 2, (box["top"] + box["bottom"]) / 2)
    await page.mouse.move(*at)
    await pages.wait_for(page, "a.hovered !== null")
    key = await page.evaluate("axon.hovered")
    assert await page.evaluate("getComputedStyle(document.querySelector('#canvas')).cursor") == (
        "pointer"
    )
    # A drag that begins on the label turns the picture and chooses nothing.
    before = await page.evaluate("axon.graph.pose().position")
    await page.mouse.down()
    await page.mouse.move(at[0] + 80, at[1] + 10, steps=4)
    await page.mouse.up()
    await pages.settled(page)
    turned = await page.evaluate("axon.graph.pose().position")
    assert turned != pytest.approx(before, abs=5)
    assert await page.evaluate("axon.chosen") is None
    await page.get_by_role("button", name="Reset").click()
    await pages.settled(page)
    [box] = [found for found in await boxes(page, "#labels .label") if found["text"] == name]
    await page.mouse.click(box["right"] - 2, (box["top"] + box["bottom"]) / 2)
    assert await page.evaluate("axon.chosen") == key


async def test_the_camera_takes_a_given_pose_and_reports_its_own_moves(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + SMALL, reduced_motion="no-preference")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    pose = {"position": [50, 40, 260], "target": [5, 10, -5]}
    await page.evaluate(
        "window.told = [];axon.graph.onPose(pose => "
        "told.push({ ...pose, at: document.timeline.currentTime }))"
    )
    await page.evaluate("pose => axon.graph.setPose(pose)", pose)
    await pages.settled(page)
    taken = await page.evaluate("axon.graph.pose()")
    assert taken["position"] == pytest.approx(pose["position"], abs=0.1)
    assert taken["target"] == pytest.approx(pose["target"], abs=0.1)
    # A camera that was moved by `setPose` reports nothing.
    assert await page.evaluate("told.length") == 0
    await page.mouse.move(900, 300)
    await page.mouse.down()
    await page.mouse.move(960, 320, steps=6)
    await page.mouse.up()
    await pages.settled(page)
    told = await page.evaluate("told")
    # Five times a second, and once more at rest, by the clock of the frames that tell it.
    assert 1 <= len(told) <= 2 + (told[-1]["at"] - told[0]["at"]) / 200
    now = await page.evaluate("axon.graph.pose()")
    assert told[-1]["position"] == pytest.approx(now["position"], abs=0.5)
    assert told[-1]["position"] != pytest.approx(taken["position"], abs=5)


async def test_under_reduced_motion_the_camera_jumps(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    jumped = await page.evaluate(
        """() => {
            axon.graph.setPose({ position: [50, 40, 260], target: [5, 10, -5] });
            return axon.graph.pose().position;
        }"""
    )
    assert jumped == [50, 40, 260]


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_picture_holds_the_graph_its_labels_and_what_the_hues_mean(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_page(gateway.url + SMALL, size)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    made = await page.evaluate(
        """async () => {
            const blob = await axon.graph.picture("png");
            const image = await createImageBitmap(blob);
            const bytes = new Uint8Array(await blob.arrayBuffer());
            const text = Array.from(bytes, byte => String.fromCharCode(byte)).join("");
            return { type: blob.type, width: image.width, height: image.height, png: btoa(text) };
        }"""
    )
    assert made["type"] == "image/png"
    stage = await page.locator("#stage").bounding_box()
    assert stage
    # A browser may not draw as large as that of a whole window that is high and narrow.
    assert made["width"] == 3840 if size == "desktop" else 3000 < made["width"] <= 3840
    scale = made["width"] / stage["width"]
    # On a phone the bar covers part of the stage. The picture omits that part and adds a title.
    assert made["height"] > scale * (0.75 * stage["height"] + 64)
    (ARTIFACTS / f"picture-{size}.png").write_bytes(base64.b64decode(made["png"]))
    shown = await page.context.new_page()
    await shown.set_content(
        f'<body style="margin:0"><img src="data:image/png;base64,{made["png"]}">'
    )
    bright = await shown.evaluate(
        """(scale) => {
            const image = document.querySelector("img");
            const canvas = document.createElement("canvas");
            // As large as on the page.
            canvas.width = Math.round(image.width / scale);
            canvas.height = Math.round(image.height / scale);
            const pen = canvas.getContext("2d");
            pen.imageSmoothingQuality = "high";
            pen.drawImage(image, 0, 0, canvas.width, canvas.height);
            const lit = (top, height) => {
                const { data } = pen.getImageData(0, top, canvas.width, height);
                let count = 0;
                for (let i = 0; i < data.length; i += 4) if (data[i + 1] > 90) count += 1;
                return count;
            };
            const { height } = canvas;
            return { head: lit(0, 64), graph: lit(64, height - 128), legend: lit(height - 40, 40) };
        }""",
        scale,
    )
    assert bright["head"] > 200
    assert bright["graph"] > 2000
    assert bright["legend"] > 100


async def test_the_page_reports_a_lost_graphics_context_and_recovers(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + SMALL)
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    await page.evaluate(
        """() => {
            const gl = document.getElementById("canvas").getContext("webgl2");
            window.loss = gl.getExtension("WEBGL_lose_context");
            loss.loseContext();
        }"""
    )
    await expect(page.locator("#notice")).to_contain_text("taken the graph's WebGL away")
    await page.locator("#tokens [role=option]").last.click()
    await expect(page.locator("#strongest-list [role=option]").first).to_be_visible()
    await keep(page, "graph-lost")
    await page.evaluate("loss.restoreContext()")
    await expect(page.locator("#notice")).not_to_contain_text("WebGL")
    await pages.settled(page)
    assert (await graph_light(page))["lit"] > 0.005


@pytest.mark.nightly
@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_five_thousand_tokens_need_little_heap(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_page(gateway.url + "/?replay=nothing", size)
    await expect(page.locator("#status")).to_contain_text("cannot be shown")
    empty = await heap_bytes(page)
    await page.goto(gateway.url + "/?replay=/large/5000.jsonl&pace=0")
    await pages.wait_for(page, f"a.tokenCount === 5001 && a.nodeCount === {NODES}", 50)
    await pages.settled(page)
    full = await heap_bytes(page)
    await keep(page, f"graph-5000-{size}")
    elements = await page.evaluate("document.querySelectorAll('*').length")
    print(f"heap {empty / 1e6:.1f} -> {full / 1e6:.1f} MB, {elements} elements")
    assert full - empty < HEAP_BUDGET_MB * 1e6


async def test_a_link_to_a_feature_flies_to_it(open_page: Opener, gateway: Gateway) -> None:
    page = await open_page(gateway.url + SMALL, reduced_motion="reduce")
    await pages.wait_for(page, "a.phase === 'finished'")
    await pages.settled(page)
    far = max(await pages.nodes(page), key=lambda node: abs(node["place"][0]))
    linked = await open_page(f"{gateway.url}{SMALL}&feature={far['key']}", reduced_motion="reduce")
    await pages.wait_for(linked, "a.phase === 'finished'")
    await pages.settled(linked)
    assert await linked.evaluate("axon.chosen") == far["key"]
    [node] = [n for n in await linked.evaluate("axon.nodes()") if n["key"] == far["key"]]
    target = await linked.evaluate("axon.graph.pose().target")
    assert target == pytest.approx(node["place"], abs=0.1)
    await keep(linked, "linked-feature")
