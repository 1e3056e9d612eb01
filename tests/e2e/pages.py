"""What a visitor does on the page, as functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from playwright.async_api import Locator, Page

#: `open_page(url, size="desktop", graph=True, **context_options)`.
Opener = Callable[..., Awaitable[Page]]

RUNNING = ("requested", "queued", "generating")


def generate_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Generate")


def stop_button(page: Page) -> Locator:
    return page.get_by_role("button", name="Stop")


async def generate(page: Page, prompt: str | None = None) -> None:
    """Presses Generate, once the button is enabled."""
    if prompt is not None:
        await page.get_by_label("Prompt").fill(prompt)
    await generate_button(page).click()


async def set_knobs(page: Page, knobs: Mapping[str, object]) -> None:
    """Unfolds the knobs and fills those named, as in `{"Max tokens": 8}`."""
    await page.locator("summary").click()
    for name, value in knobs.items():
        await page.get_by_label(name).fill(str(value))


async def wait_for(page: Page, condition: str, seconds: float = 40) -> None:
    """Waits until an expression over `window.axon` holds, and the page's views follow it.

    A page in another language has none before that language has come.
    """
    await page.wait_for_function(
        f"(() => {{ const a = window.axon; return a !== undefined && ({condition}) }})()",
        timeout=1000 * seconds,
    )
    # They follow once a frame.
    await page.evaluate("new Promise(requestAnimationFrame)")


async def stop_after(page: Page, tokens: int) -> None:
    """Presses Stop in the next generation as soon as the page shows more tokens than this.

    Call it before Generate. A script within the page presses the button: on a slow machine, one
    call from outside can take longer than a fast model takes for its whole text.
    """
    stop = page.get_by_role("button", name="Stop", include_hidden=True)
    button = await stop.element_handle()
    await page.evaluate(
        """([button, tokens]) => {
            const timer = setInterval(() => {
                if (axon.origin !== "live" || axon.tokenCount <= tokens) return;
                clearInterval(timer);
                button.click();
            }, 2);
        }""",
        [button, tokens],
    )


async def end_of_run(page: Page, seconds: float = 40) -> None:
    await wait_for(
        page, "['finished', 'stopped', 'failed'].includes(a.phase) && a.origin === 'live'", seconds
    )


async def text(page: Page) -> str:
    """The text on show, without the sign for the start of the text."""
    await painted(page)  # the text follows the page's state a frame later
    return _without_start(await page.locator("#tokens").text_content() or "")


async def room_address(page: Page) -> str:
    """The address of a page's room, once it shows that."""
    await page.wait_for_url("**/r/*")
    return page.url.partition("?")[0]


async def note(page: Page, selector: str) -> None:
    """From now on the page records what an element says, for `has_said`: a slow test would miss
    what it says for a moment only."""
    await page.evaluate(
        """(selector) => {
            const element = document.querySelector(selector);
            const said = (window.noted ??= {})[selector] = [element.textContent];
            new MutationObserver(() => said.push(element.textContent)).observe(
                element, { childList: true, subtree: true, characterData: true }
            );
        }""",
        selector,
    )


async def has_said(page: Page, selector: str, words: str) -> None:
    """Waits until an element says these words, or has said them since `note`."""
    await page.wait_for_function(
        "([selector, words]) => noted[selector].some((text) => text.includes(words))",
        arg=[selector, words],
    )


async def keep_texts(page: Page) -> None:
    """From now on the page records every state of its live text, for `kept_texts`.

    A test that asked from outside would miss most of them: a fast model has finished before a
    slow machine answers.
    """
    await page.evaluate(
        """() => {
            const list = document.getElementById("tokens");
            window.keptTexts = [];
            new MutationObserver(() => {
                if (axon.origin === "live") window.keptTexts.push(list.textContent);
            }).observe(list, { childList: true, subtree: true });
        }"""
    )


async def kept_texts(page: Page) -> list[str]:
    """Every state of the text since `keep_texts`, oldest first."""
    return [_without_start(text) for text in await page.evaluate("keptTexts")]


def _without_start(text: str) -> str:
    return text.removeprefix("start")


async def nodes(page: Page) -> list[dict[str, Any]]:
    """Every node on the canvas that no panel and no label covers, brightest first."""
    found: list[dict[str, Any]] = await page.evaluate(
        """() => {
            const labels = [...document.querySelectorAll("#labels .label")];
            const boxes = labels.map(label => label.getBoundingClientRect());
            const named = ({ x, y }) => boxes.some(
                box => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom
            );
            return axon.nodes().filter(
                n => document.elementFromPoint(n.x, n.y)?.id === "canvas" && !named(n)
            );
        }"""
    )
    return sorted(found, key=lambda node: -node["glow"])


async def settled(page: Page) -> None:
    """Waits until every feature has a node, no node still grows, and the camera has arrived."""
    await wait_for(page, "a.nodeCount > 0 && a.atRest")


async def painted(page: Page) -> None:
    """Waits until the browser has shown what has changed until now."""
    await page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
