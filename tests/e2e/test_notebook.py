"""What a notebook shows: a result as a static page, and the player."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import axon.notebook
import pytest
from axon import recording
from axon.notebook.player import steps
from playwright.async_api import Browser, Page, expect

from tests.unit.client.test_notebook import RESULT

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLAYER = Path(axon.notebook.__file__).with_name("player.js")
RECORDING = Path(__file__).parents[2] / "frontend/public/recordings/capital-of-france.jsonl"
#: Stands in for the model that anywidget hands to a view.
MODEL = """
window.model = {
  sent: [],
  handlers: [],
  get: (name) => (name === "live" ? LIVE : STEPS),
  send(message) { this.sent.push(message); },
  on(kind, handler) { this.handlers.push(handler); },
  off() {},
};
window.add = (more) => model.handlers.forEach((handler) => handler({ more }));
player.render({ model, el: document.body });
"""


@asynccontextmanager
async def opened(browser: Browser, html: str, **options: Any) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 800, "height": 600}, **options)
    page = await context.new_page()
    await page.set_content(html)
    yield page
    await context.close()


@asynccontextmanager
async def played(browser: Browser, drawn: list[Any], live: bool = False) -> AsyncIterator[Page]:
    module = PLAYER.read_text().replace("export default", "const player =")
    model = MODEL.replace("LIVE", json.dumps(live)).replace("STEPS", json.dumps(drawn))
    safe = f"{module}{model}".replace("</", "<\\/")
    script = f'<script type="module">{safe}</script>'
    async with opened(browser, f'<body style="background:#111;color:#ddd">{script}') as page:
        yield page


async def test_a_result_tells_of_a_token_without_script(browser: Browser) -> None:
    async with opened(browser, RESULT._repr_html_(), java_script_enabled=False) as page:
        told = page.get_by_text("was 8.00").first
        await expect(told).to_be_hidden()
        await page.locator(".t", has_text=" Tokyo").hover()
        await expect(told).to_be_visible()
        await page.mouse.move(0, 0)
        await expect(told).to_be_hidden()


async def test_the_player_plays_a_recording(browser: Browser) -> None:
    frames = recording.load(RECORDING.read_text().split("\n"))
    # Slowly, since the recording itself takes half a second.
    drawn = [{**step, "time": 20 * (step.get("time") or 0)} for step in steps(frames)]
    async with played(browser, drawn) as page:
        body = page.locator("body")
        await expect(body).to_contain_text("The capital of France is")
        await expect(body).to_contain_text("ended by ")
        await page.get_by_label("To the start").click()
        await expect(body).not_to_contain_text("The capital")
        await page.get_by_label("Forward").click()
        await page.get_by_label("Forward").click()
        await expect(body).to_contain_text("The capital of France is")
        await page.get_by_text(" France", exact=True).hover()
        await expect(body).to_contain_text('" France"axon-demo/')
        await page.get_by_label("Place").fill("0")
        await page.get_by_label("Play", exact=True).click()
        await expect(body).to_contain_text("The capital of France is")
        await page.get_by_label("Pause").click()
        await expect(page.get_by_label("Play", exact=True)).to_be_visible()


async def test_the_player_follows_a_room(browser: Browser) -> None:
    async with played(browser, [], live=True) as page:
        assert await page.evaluate("model.sent") == [{"want": "steps"}]
        token = {"text": " Rome", "generated": True, "features": [["m/0-res/3", 2.0, ""]]}
        new = [{"names": ["as is", "edited"]}, {"branch": 1, "tokens": [token], "time": None}]
        await page.evaluate("(more) => add(more)", new)
        await expect(page.locator("body")).to_contain_text("as is: edited:  Rome")
        await expect(page.locator("body")).to_contain_text("m/0-res/3 2.00")
        await page.evaluate("add([{ labels: { 'm/0-res/3': 'cities' } }])")
        await expect(page.locator("body")).to_contain_text("m/0-res/3 2.00 cities")
