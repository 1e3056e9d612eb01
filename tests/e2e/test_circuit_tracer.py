"""A graph of causes is opened by circuit-tracer's own front end, which `tools.lock` has.

It takes its libraries from servers of its authors. Here they come from npm: d3, its extension
jetpack in the form of that time, and what lays the subgraph out. No other file of it is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axon.graph_export import graph
from playwright.async_api import Browser, Route, expect

from ..unit.client import test_graph_export as example
from ..unit.client.test_graph_export import FRONT_END

pytestmark = pytest.mark.asyncio(loop_scope="session")

NPM = Path(__file__).parents[2] / "frontend" / "node_modules"
#: jetpack 2.3 for browsers replaces d3 instead of extending it, and draws axes by another name.
JETPACK = """(() => {
const exports = {}, module = { exports }, require = () => d3;
%s
const { conventions, drawAxis } = exports;
exports.conventions = (options) => {
  const c = conventions(options);
  c.drawAxis = (svg = c.svg) => drawAxis({ ...c, svg });
  return c;
};
window.d3 = { ...d3, ...exports };
})()"""

NO_TEXTS: dict[str, Any] = {"examples_quantiles": [], "top_logits": [], "bottom_logits": []}


def library(name: str) -> str:
    """A script that the front end asks for elsewhere; empty, if this needs none of it."""
    files = {
        "d3.js": ("d3-jetpack/build/d3v7+jetpack.js", "d3-collection/dist/d3-collection.js"),
        "jetpack_2024-07-20.js": ("d3-jetpack/build/d3-jetpack.cjs",),
        "dagre.min.js": ("dagre/dist/dagre.min.js",),
        "pako.min.js": ("pako/dist/pako.min.js",),
    }.get(name, ())
    text = "\n".join((NPM / file).read_text() for file in files)
    return JETPACK % text if name.startswith("jetpack") else text


@pytest.mark.skipif(not FRONT_END.is_dir(), reason="circuit-tracer's front end is not installed")
async def test_its_own_front_end_shows_our_graph(browser: Browser) -> None:
    made = graph(example.EXPLAINING, example.EFFECTS, example.EXPLAINED, [example.PATH])

    async def answer(route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path.endswith("index.json.gz"):
            return await route.fulfill(status=404)
        if url.path.startswith("/features/"):  # its own descriptions, of which there are none
            return await route.fulfill(json=NO_TEXTS)
        if url.hostname != "graph.test":
            script = library(url.path.rpartition("/")[2])
            return await route.fulfill(body=script, content_type="text/javascript")
        if url.path.startswith("/data/"):
            return await route.fulfill(json={"graphs": [made["metadata"]]})
        if url.path.startswith("/graph_data/"):
            return await route.fulfill(json=made)
        return await route.fulfill(path=FRONT_END / "assets" / (url.path[1:] or "index.html"))

    page = await browser.new_page(viewport={"width": 1400, "height": 1000})
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    await page.route("**/*", answer)
    await page.goto(f"http://graph.test/?slug={made['metadata']['slug']}")
    await expect(page).to_have_title("Attribution Graph: <|endoftext|>The capital of France")
    shown = page.locator(".link-graph")
    for token in made["metadata"]["prompt_tokens"]:
        await expect(shown.get_by_text(token.strip(), exact=True)).to_be_visible()
    # The token that is explained is chosen, and its causes are listed with what was measured.
    connections = page.locator(".node-connections")
    await expect(connections).to_contain_text('Output " Paris" (p=0.779)')
    listed = connections.locator(".feature-row")
    await expect(listed).to_have_count(3)
    causes = ["● label 3 L0 +3.000", "● label 7 L1 +1.500", "● label 7 ← L1 −0.500"]
    assert [" ".join(text.split()) for text in await listed.all_inner_texts()] == causes
    # And what the removal of a cause does further on.
    await listed.first.click()
    await expect(connections.locator(".header-top-row")).to_contain_text("label 3")
    further = connections.locator(".features.output .feature-row")
    await expect(further).to_have_count(3)
    texts = {" ".join(text.split()) for text in await further.all_inner_texts()}
    assert texts == {
        '■ Output " Paris" (p=0.779) L2 +3.000',
        "● label 7 L1 +2.000",
        "● axon-demo/2-res/11 L1 +1.000",
    }
    assert not errors
    await page.close()
