"""What the page costs the browser: main thread time of a frame, bytes on the heap."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Page
from playwright.async_api import TimeoutError as TimedOut


async def frame_costs(page: Page, frames: int, seconds: float) -> list[float]:
    """Main thread time of each of the next `frames` animation frames, in milliseconds.

    Fewer if `seconds` pass first.

    This is the thread's own CPU time, not elapsed time: on a busy machine other processes
    interrupt a frame. Work that a graphics card would do is not included.
    """
    session = await page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    complete = asyncio.Event()
    session.on("Tracing.dataCollected", lambda message: events.extend(message["value"]))
    session.on("Tracing.tracingComplete", lambda _: complete.set())
    await session.send(
        "Tracing.start", {"categories": "devtools.timeline", "transferMode": "ReportEvents"}
    )
    with contextlib.suppress(TimedOut):
        await page.wait_for_function(
            "enough => axon.drawing.frames >= enough",
            arg=await page.evaluate("axon.drawing.frames") + frames,
            timeout=1000 * seconds,
        )
    await session.send("Tracing.end")
    await complete.wait()
    await session.detach()
    # The frame during which the trace ends has no duration.
    frames_of = (event for event in events if event["name"] == "FireAnimationFrame")
    return [event["tdur"] / 1000 for event in frames_of if "tdur" in event]


async def yardstick_ms(page: Page) -> float:
    """Milliseconds that this machine takes for a fixed piece of script: the best of several runs.

    A budget in multiples of it asks the same of a slow machine as of a fast one.
    """
    took: float = await page.evaluate(
        """() => {
            const once = () => {
                const began = performance.now();
                const seen = new Map();
                let sum = 0;
                for (let i = 0; i < 100_000; i++) {
                    sum += Math.sqrt(i) * ((seen.get((i * 7) % 5000) ?? 1) % 3);
                    seen.set(i % 5000, sum);
                }
                return performance.now() - began;
            };
            return Math.min(...Array.from({ length: 20 }, once));
        }"""
    )
    return took


@contextlib.asynccontextmanager
async def script_ms(page: Page) -> AsyncIterator[list[float]]:
    """Milliseconds of script that the main thread runs meanwhile, in its own time, once left."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def so_far() -> float:
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        found = next(metric["value"] for metric in metrics if metric["name"] == "ScriptDuration")
        return 1000 * float(found)

    before = await so_far()
    spent: list[float] = []
    yield spent
    spent.append(await so_far() - before)
    await session.detach()


async def heap_bytes(page: Page) -> int:
    """Bytes on the JavaScript heap after garbage collection."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.enable")
    # Objects freed by one collection may leave more to free for the next.
    for _ in range(3):
        await session.send("HeapProfiler.collectGarbage")
    usage = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return int(usage["usedSize"])
