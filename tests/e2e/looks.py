"""Screenshots of the page, kept as artefacts, and measurements on them."""

from __future__ import annotations

import base64
from itertools import combinations
from pathlib import Path
from typing import Any

from playwright.async_api import Page

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
SIZES = {"desktop": (1440, 900), "phone": (390, 844), "projector": (1920, 1080)}

# Run in the browser: the share of pixels brighter than the background, and the number of colours.
_MEASURE = """async ({ png, box }) => {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [box.width, box.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, -box.x, -box.y);
  const { data } = context.getImageData(0, 0, box.width, box.height);
  const colours = new Set();
  let lit = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (Math.max(data[i], data[i + 1], data[i + 2]) > 60) lit += 1;
    colours.add((data[i] >> 3) * 1024 + (data[i + 1] >> 3) * 32 + (data[i + 2] >> 3));
  }
  return { lit: lit / (data.length / 4), colours: colours.size };
}"""


async def keep(page: Page, name: str) -> bytes:
    """Takes a screenshot and saves it under this name."""
    return await page.screenshot(path=ARTIFACTS / f"{name}.png")


async def graph_light(page: Page) -> dict[str, float]:
    """Share of lit pixels and number of colours of the graph alone, without labels."""
    await page.add_style_tag(content="#labels, #bar { visibility: hidden }")
    box = await page.locator("#stage").bounding_box()
    assert box
    png = base64.b64encode(await page.screenshot()).decode()
    await page.evaluate("document.head.lastElementChild.remove()")
    light: dict[str, float] = await page.evaluate(_MEASURE, {"png": png, "box": box})
    return light


async def boxes(page: Page, selector: str) -> list[dict[str, Any]]:
    """Boxes and texts of all visible elements that match the selector."""
    found: list[dict[str, Any]] = await page.locator(selector).evaluate_all(
        """elements => elements.filter(e => e.checkVisibility()).map(e => {
          const { left, top, right, bottom } = e.getBoundingClientRect();
          return { text: e.textContent, left, top, right, bottom };
        })"""
    )
    return found


def overlapping(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The texts of each pair of boxes that overlap."""
    return [
        (a["text"], b["text"])
        for a, b in combinations(found, 2)
        if a["left"] < b["right"]
        and b["left"] < a["right"]
        and a["top"] < b["bottom"]
        and b["top"] < a["bottom"]
    ]
