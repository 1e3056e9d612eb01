"""What a visitor does on the page, in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Locator, Page

#: `open_page(url, size="desktop", **context_options)`.
Opener = Callable[..., Awaitable[Page]]

RUNNING = ("requested", "queued", "generating")


def generate_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Generate")


def stop_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop")


async def generate(page: Page, prompt: str | None = None) -> None:
    """Presses Generate, which waits until the page lets one."""
    if prompt is not None:
        await page.get_by_label("Prompt").fill(prompt)
    await generate_button(page).click()


async def wait_for(page: Page, condition: str, seconds: float = 30) -> None:
    """Waits until an expression over `window.axon` holds."""
    await page.wait_for_function(
        f"(() => {{ const a = axon; return {condition} }})()", timeout=1000 * seconds
    )


async def stop_after(page: Page, tokens: int) -> None:
    """Presses Stop as soon as so many tokens are on show, from within the page: on a slow machine
    a click from outside can take longer than the rest of a generation.
    """
    button = await stop_button(page).element_handle()
    await page.evaluate(
        """([button, tokens]) => new Promise((done) => {
            const timer = setInterval(() => {
                if (axon.origin !== "live" || axon.tokenCount <= tokens) return;
                clearInterval(timer);
                button.click();
                done();
            }, 2);
        })""",
        [button, tokens],
    )


async def end_of_run(page: Page, seconds: float = 40) -> None:
    await wait_for(
        page, "['finished', 'stopped', 'failed'].includes(a.phase) && a.origin === 'live'", seconds
    )


async def text(page: Page) -> str:
    """The text on show, with the sign for the start of the text left out."""
    shown = await page.locator("#tokens").text_content() or ""
    return shown.removeprefix("start")


async def nodes(page: Page) -> list[dict[str, Any]]:
    """Every node on the canvas that nothing covers, brightest first."""
    found: list[dict[str, Any]] = await page.evaluate(
        "axon.nodes().filter(n => document.elementFromPoint(n.x, n.y)?.id === 'canvas')"
    )
    return sorted(found, key=lambda node: -node["glow"])


async def settled(page: Page) -> None:
    """Waits until flights and swellings are over and every feature has its place."""
    last = -1
    for _ in range(40):
        count = await page.evaluate("axon.nodeCount")
        if count == last and count > 0:
            break
        last = count
        await page.wait_for_timeout(400)
    await page.wait_for_timeout(1200)
