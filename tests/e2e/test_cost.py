"""What the page costs: script time of a token, a hover and a frame, and its heap over an hour.

Each action is awaited before the next, so a page that draws fewer frames or skips tokens does not
come through cheaper. Times are the main thread's own, in multiples of a yardstick.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from . import fake_stream, large_stream, pages
from .cost import heap_bytes, script_ms, yardstick_ms
from .fake_gateway import Gateway
from .fake_stream import Frame
from .made_map import made_map
from .pages import Opener

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.nightly,
    pytest.mark.timeout(300),
]

TIMES = 60
#: Milliseconds of the yardstick on the machine for which the budgets are given.
REFERENCE_MS = 2.7
#: Few pixels: without a graphics card each one costs time, and they are not measured here.
SMALL = {"device_scale_factor": 0.25}


async def check(page: Page, what: str, ms: float, budget_ms: float) -> None:
    """Fails if one of `TIMES` actions that took `ms` of script costs more than the budget."""
    yardstick = await yardstick_ms(page)
    each, budget = ms / TIMES, budget_ms * yardstick / REFERENCE_MS
    print(f"{what}: {each:.2f} ms of script, budget {budget:.1f}, yardstick {yardstick:.1f} ms")
    assert 0 < each <= budget


async def large_room(
    open_page: Opener, gateway: Gateway, tokens: int, more: int = 0
) -> tuple[Page, list[Frame]]:
    """A page in a room with so many tokens of 2,000 features, at rest; and `more` that follow."""
    frames = list(large_stream.generation(tokens + more))[:-1]
    come = len(frames) - more
    gateway.log = [{**frame, "seq": seq} for seq, frame in enumerate(frames[:come], start=1)]
    page = await open_page(gateway.url + "/r/k3f9x2", **SMALL)
    await pages.wait_for(page, f"a.tokenCount === {tokens + 1}", 60)
    await pages.settled(page)
    return page, frames[come:]


async def turn(page: Page) -> None:
    """Turns the camera `TIMES` times, each in a frame of its own."""
    await page.evaluate(
        """async times => {
            const stage = document.getElementById("stage");
            for (let i = 0; i < times; i++) {
                const before = axon.drawing.frames;
                stage.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
                while (axon.drawing.frames === before)
                    await new Promise(requestAnimationFrame);
            }
        }""",
        TIMES,
    )


async def test_a_token_and_a_hover_cost_little_however_long_the_text_is(
    open_page: Opener, gateway: Gateway
) -> None:
    page, more = await large_room(open_page, gateway, 5000, TIMES)
    async with script_ms(page) as waiting:
        for _ in more:
            await pages.wait_for(page, "a.tokenCount === 5001")
            await pages.painted(page)
    async with script_ms(page) as spent:
        for i, frame in enumerate(more, start=1):
            await gateway.emit(frame)
            await pages.wait_for(page, f"a.tokenCount === {5001 + i}")
            await pages.painted(page)
    # 4 is the aim; 3.6 to 3.9 is reached beside other work, about half of it in the graph. The
    # budget has room for another machine: it finds what makes a token much dearer.
    await check(page, "a token at 5,000 tokens", spent[0] - waiting[0], 6)
    async with script_ms(page) as spent:
        await page.evaluate(
            """async times => {
                const rows = document.querySelectorAll("#strongest-list .row");
                for (let i = 0; i < times; i++) {
                    const row = rows[i % rows.length];
                    row.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
                    await new Promise(requestAnimationFrame);
                    if (axon.hovered !== row.dataset.key) throw new Error("nothing is hovered");
                }
            }""",
            TIMES,
        )
    # 2 is the aim; 1.5 is reached. Shading all of a long text cost 14.
    await check(page, "a hover", spent[0], 3)


async def test_a_frame_of_a_turning_camera_costs_little(
    open_page: Opener, gateway: Gateway
) -> None:
    page, _ = await large_room(open_page, gateway, 300)
    assert await page.evaluate("axon.nodeCount") == 2000
    await page.locator("#stage").focus()
    drawn = await page.evaluate("axon.drawing.frames")
    async with script_ms(page) as spent:
        await turn(page)
    assert await page.evaluate("axon.drawing.frames") >= drawn + TIMES
    await check(page, "a frame at 2,000 nodes", spent[0], 4)


@pytest.mark.parametrize("features", [8_192, 320_000])
async def test_a_map_costs_next_to_no_script_however_many_features_it_has(
    open_page: Opener, gateway: Gateway, features: int
) -> None:
    sources = [*fake_stream.SOURCES, *large_stream.source_ids(4)]
    gateway.map = made_map([(source, features // len(sources)) for source in sources])
    page, _ = await large_room(open_page, gateway, 300)
    assert await page.evaluate("axon.drawing.points") == features
    assert await page.evaluate("axon.drawing.drawCalls") <= 7
    await page.locator("#stage").focus()
    async with script_ms(page) as spent:
        await turn(page)
    # 4 is the aim, with or without a map: no script runs for a point.
    await check(page, f"a frame at {features} points", spent[0], 8)
    took: list[float] = await page.evaluate(
        """async times => {
            const canvas = document.getElementById("canvas");
            const took = [];
            for (let i = 0; i < times; i++) {
                const [clientX, clientY] = [400 + (i * 97) % 700, 120 + (i * 61) % 400];
                const began = performance.now();
                canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
                took.push(performance.now() - began);
                await new Promise(requestAnimationFrame);
            }
            return took.sort((a, b) => a - b);
        }""",
        TIMES,
    )
    yardstick = await yardstick_ms(page)
    print(f"picking at {features} points: median {took[TIMES // 2]:.2f} ms")
    assert took[TIMES // 2] < 2 * yardstick / REFERENCE_MS
    heap = await heap_bytes(page)
    print(f"heap at {features} points: {heap / 1e6:.1f} MB")
    # The map lies in typed arrays, outside the heap: there is no object for a feature.
    assert heap < 20e6


async def test_an_hour_in_a_room_leaves_the_heap_as_it_was(
    open_page: Opener, gateway: Gateway
) -> None:
    page = await open_page(gateway.url + "/r/k3f9x2", **SMALL)
    await pages.wait_for(page, "a.connection === 'open'")

    async def generations(count: int, seed: int) -> int:
        for i in range(count):
            await gateway.emit_at_once(list(large_stream.generation(120, seed=seed + i)))
            await pages.wait_for(
                page, f"a.phase === 'finished' && a.lastSeq === {len(gateway.log)}"
            )
            gateway.log = gateway.log[-1:] * len(gateway.log)
        await pages.settled(page)
        return await heap_bytes(page)

    # A generation a minute; after the first twenty, all features have been met.
    early = await generations(20, 1)
    late = await generations(40, 100)
    print(f"heap {early / 1e6:.1f} MB after 20 generations, {late / 1e6:.1f} MB after 60")
    assert late < 1.1 * early
