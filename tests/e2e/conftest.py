"""A browser, the page served by a fake gateway, and the real stack."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright, expect
from yarl import URL

from . import fake_gateway
from .fake_gateway import Gateway
from .hall import Hall, open_hall
from .looks import ARTIFACTS, SIZES
from .pages import Opener
from .stack import Stack, running_stack

FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # Software draws the graph alone: without these it would put the whole page together, too, and
    # compute four samples for a pixel of the graph.
    "--disable-gpu-compositing",
    "--webgl-antialiasing-mode=none",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
STILL = {"reduced_motion": "reduce"}
#: The choice of a visitor who has not made one yet.
AT_ONCE = """try {
    for (const [name, pace] of [
        ["axon.pace", "0"], ["axon.display", "Infinity"], ["axon.tour", "seen"],
    ])
        localStorage.setItem(name, localStorage.getItem(name) ?? pace);
} catch { /* no page yet */ }"""
#: Tests make the page evaluate text, which its policy forbids; test_behind_a_proxy.py keeps to it.
EVALUATES = {"bypass_csp": True}

MOST_MS = 40_000  # that a busy machine may need for what one of its pages does
expect.set_options(timeout=MOST_MS)


@pytest.fixture(scope="session", autouse=True)
def built_page() -> Path:
    """The built page; there is nothing to test without it."""
    if not (fake_gateway.PAGE / "index.html").is_file():
        pytest.fail("frontend/dist is missing: run `npm run build` in frontend/")
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return fake_gateway.PAGE


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The installed Chromium or Chrome, with WebGL in software."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("there is no chromium on PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=FLAGS, timeout=100_000
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def gateway() -> AsyncIterator[Gateway]:
    """A fake gateway that serves the built page at `gateway.url`."""
    gateway = Gateway()
    server = TestServer(fake_gateway.make_app(gateway))
    # Pages still have open sockets when the server ends; it need not wait for them.
    await server.start_server(shutdown_timeout=0.1)
    gateway.url = str(server.make_url("")).rstrip("/")
    yield gateway
    if gateway.running is not None:
        gateway.running.cancel()
    await server.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Opener]:
    """Opens pages, each as a separate visitor, who has asked for reduced motion.

    Their model writes, and their page shows, as fast as it goes, and not at the page's own pace. A
    drifting graph without a graphics card keeps the processor busy. Tests of motion pass
    `reduced_motion="no-preference"`, tests of no graph at all `graph=False`. The test fails if a
    page raises an error or calls another host.
    """
    contexts = []
    complaints: list[str] = []

    async def open_(url: str, size: str = "desktop", graph: bool = True, **options: Any) -> Page:
        width, height = SIZES[size]
        options = {"viewport": {"width": width, "height": height}, **STILL, **EVALUATES, **options}
        context = await browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(MOST_MS)
        await context.add_init_script(AT_ONCE)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        host = urlsplit(url).netloc

        def look(address: str) -> None:
            parts = urlsplit(address)
            if parts.scheme not in ("data", "blob") and parts.netloc != host:
                complaints.append(f"request to {address}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        await page.goto(url if graph else str(URL(url).update_query(webgl="off")))
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    """The real gateway with a fake model."""
    async with open_hall(tmp_path) as hall:
        yield hall


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Redis, inference with the bundled model, and the gateway, as processes."""
    async with running_stack() as stack:
        yield stack
