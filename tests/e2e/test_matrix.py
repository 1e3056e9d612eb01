"""The matrix of tokens and features: drawn, clicked, checked with axe in both themes."""

from __future__ import annotations

import pytest

from . import pages
from .fake_gateway import Gateway
from .looks import keep
from .pages import Opener
from .test_access import findings
from .test_page import recorded

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: The light of the middle of a cell, 0 to 1, as the canvas shows it.
CELL_LIGHT = """([row, column]) => {
  const canvas = document.querySelector("#matrix canvas");
  const box = canvas.getBoundingClientRect();
  const name = (role, at) =>
    document.querySelectorAll(`#matrix [role=${role}]`)[at].getBoundingClientRect();
  const [head, top] = [name("rowheader", row), name("columnheader", column)];
  const x = top.left + top.width / 2, y = head.top + head.height / 2;
  const scale = canvas.width / box.width;
  const at = [(x - box.left) * scale, (y - box.top) * scale];
  const data = canvas.getContext("2d").getImageData(...at, 1, 1).data;
  return { x, y, alpha: data[3] / 255 };
}"""


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_a_cell_is_lit_where_its_feature_fires_and_chooses_it(
    open_page: Opener, gateway: Gateway, size: str
) -> None:
    page = await open_page(gateway.url + recorded(gateway) + "?matrix=first", size, graph=False)
    await pages.wait_for(page, "a.phase === 'finished'")
    grid = page.get_by_role("grid", name="Tokens × features")
    for theme in ("light", "dark"):
        await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        await pages.painted(page)
        await keep(page, f"matrix-{size}-{theme}")
        assert await findings(page) == []
    await grid.focus()
    await page.keyboard.press("Control+Home")
    await pages.painted(page)
    tokens = [t for frame in gateway.log for t in frame.get("tokens", [frame]) if "features" in t]
    told = next(i for i, token in enumerate(tokens) if token["features"])
    first = tokens[told]["features"][0]
    cell = await page.evaluate(CELL_LIGHT, [0, told])
    assert cell["alpha"] > 0.15
    assert tokens[0]["features"] == []
    assert (await page.evaluate(CELL_LIGHT, [0, 0]))["alpha"] == 0
    lists = await page.locator("#strongest").bounding_box()
    assert lists
    await page.mouse.click(cell["x"], cell["y"])
    await pages.wait_for(page, f"a.chosen === '{first['source']}/{first['id']}'")
    assert await page.evaluate("axon.token") == told
    # The inspector opens beside the matrix, and takes no width from the lists.
    box = await page.locator("#strongest").bounding_box()
    assert box
    assert box["width"] == lists["width"]
