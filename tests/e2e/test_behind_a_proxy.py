"""The page behind a university's proxy, which serves it below a path of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .. import certificates, nginx
from . import pages
from .conftest import Opener
from .fake_gateway import PAGE
from .hall import open_hall

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_page_works_under_its_policy(open_page: Opener, tmp_path: Path) -> None:
    """The gateway's own, as `make run` serves it; with the graph, its worker and its labels."""
    complaints: list[str] = []
    async with open_hall(tmp_path) as hall:
        page = await open_page(hall.url, bypass_csp=False)
        page.on("console", lambda said: complaints.append(said.text))
        answer = await page.reload()
        assert answer is not None
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        await page.get_by_label("Prompt", exact=True).fill("x")
        await page.get_by_role("button", name="Generate").click()
        done = "axon.origin === 'live' && axon.phase === 'finished' && axon.nodeCount > 0"
        async with asyncio.timeout(30):
            while not await page.evaluate(done):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert not [text for text in complaints if "Policy" in text or "violates" in text]


async def test_the_page_works_below_a_path(open_page: Opener, tmp_path: Path) -> None:
    made = certificates.make(tmp_path / "made", "IP:127.0.0.1")
    async with open_hall(tmp_path) as hall:
        gateway = hall.url.removeprefix("http://")
        with (
            nginx.axon(tmp_path / "axon", gateway, page=PAGE, AXON_PROXY="127.0.0.1") as front,
            nginx.university(tmp_path / "university", front.port, made) as url,
        ):
            page = await open_page(url, graph=False, ignore_https_errors=True)
            await pages.generate(page)
            await pages.wait_for(page, "a.origin === 'live' && a.phase === 'finished'")
            # The room's own address, one folder deeper, with and without a slash.
            room = await pages.room_address(page)
            assert room.startswith(f"{url}r/")
            for address in (room, f"{room}/"):
                other = await open_page(address, graph=False, ignore_https_errors=True)
                await pages.wait_for(other, "a.phase === 'finished'")
                assert other.url.partition("?")[0] == room
            replay = f"{url}?replay=capital-of-france"
            recorded = await open_page(replay, graph=False, ignore_https_errors=True)
            await pages.wait_for(recorded, "a.origin === 'recording'")
