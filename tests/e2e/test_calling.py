"""The client for browsers that docs/calling.md prints works as it is."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from ..integration.gateway.test_calling import printed
from .hall import Hall
from .pages import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_client_for_browsers(hall: Hall, open_page: Opener) -> None:
    [code] = [block for block in printed("js") if "WebSocket(" in block]
    assert len(code.strip().splitlines()) <= 10
    # Any page of this server will do.
    page = await open_page(f"{hall.url}/api/docs", graph=False)
    await page.evaluate(f"() => {{ {code} }}")
    await expect(page.locator("body")).to_contain_text("of France is Paris")
