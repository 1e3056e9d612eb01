"""The page and nginx, from outside."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import re
import shutil
import subprocess
import time

import aiohttp
import pytest
from playwright.async_api import async_playwright, expect

from ..e2e.conftest import FLAGS
from .conftest import Maker
from .stack import Stack, docker

pytestmark = pytest.mark.timeout(600)


async def test_the_document_is_not_cached_and_hashed_files_are_cached_for_ever(
    stack: Stack,
) -> None:
    async with aiohttp.ClientSession(stack.url) as http:
        for path in ("/", "/r/some-room", "/r/some-room/"):
            async with http.get(path) as answer:
                document = await answer.text()
                assert answer.status == 200
                assert answer.content_type == "text/html"
                assert answer.headers["Cache-Control"] == "no-cache"
        (script,) = re.findall(r'src="\.\.(/assets/[^"]+\.js)"', document)
        async with http.get(script) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        async with http.get("/assets/no-such.js") as answer:
            assert answer.status == 404
            assert "Cache-Control" not in answer.headers


async def test_static_files_are_compressed(stack: Stack) -> None:
    wanted = {"Accept-Encoding": "gzip"}
    session = aiohttp.ClientSession(stack.url, auto_decompress=False)
    async with session as http, http.get("/", headers=wanted) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert b"<title>Axon</title>" in gzip.decompress(await answer.read())


async def test_the_page_and_the_api_have_security_headers(stack: Stack) -> None:
    async with aiohttp.ClientSession(stack.url) as http:
        for path in ("/", "/api/model", "/api/no", "/no-such-page"):
            async with http.get(path) as answer:
                policy = answer.headers.getall("Content-Security-Policy")
                assert len(policy) == 1
                assert "unsafe" not in policy[0]
                assert policy[0].startswith("default-src 'none'")
                assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"]
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Server"] == "nginx"  # without its version


async def test_metrics_are_not_published(stack: Stack) -> None:
    async with aiohttp.ClientSession(stack.url) as http, http.get("/metrics") as answer:
        assert answer.status == 404


async def test_the_page_works_under_its_policy(stack: Stack) -> None:
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=FLAGS
        )
        page = await browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        await page.goto(stack.url)
        await page.get_by_label("Speed").select_option("as it comes")
        await page.get_by_label("Prompt", exact=True).fill("The capital of France is")
        await page.get_by_role("button", name="Generate").click()
        done = "axon.origin === 'live' && axon.phase === 'finished' && axon.nodeCount > 20"
        async with asyncio.timeout(60):
            # Not wait_for_function: it makes the page evaluate text, which the policy forbids.
            while not await page.evaluate(done):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        await expect(page.get_by_label("Text", exact=True)).to_contain_text("Paris")
        await expect(page.locator("#labels .label").first).to_be_visible()
        await browser.close()
    assert complaints == []


async def test_a_body_that_is_too_large_is_refused_as_by_the_gateway(stack: Stack) -> None:
    body, session = io.BytesIO(bytes(2 << 20)), aiohttp.ClientSession(stack.url)
    async with session as http, http.post("/api/generate", data=body) as answer:
        assert answer.status == 413
        assert (await answer.json())["error"] == "message_too_big"


async def test_a_flood_is_refused_and_later_requests_are_served(stack: Stack) -> None:
    async with aiohttp.ClientSession(stack.url, connector=aiohttp.TCPConnector(limit=50)) as http:

        async def ask() -> int:
            async with http.get("/api/nothing") as answer:
                if answer.status == 429:
                    assert (await answer.json())["error"] == "too_fast"
                return answer.status

        started = time.monotonic()
        statuses = await asyncio.gather(*(ask() for _ in range(3000)))
        if time.monotonic() - started > 20:
            pytest.skip("this machine is too busy to exceed the allowed rate")
        assert {404, 429} == set(statuses)
        await asyncio.sleep(1)
        assert await ask() == 404


def test_the_gateway_is_told_the_clients_real_address(another: Maker) -> None:
    """A server that replaces the gateway answers with the headers that nginx sent it."""
    stack = another()
    stack.up("--no-deps", "frontend")
    echo = (
        "import http.server, json\n"
        "class Echo(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers()\n"
        "        self.wfile.write(json.dumps(dict(self.headers)).encode())\n"
        "http.server.HTTPServer(('', 8000), Echo).serve_forever()\n"
    )
    network = f"{stack.project}_axon"
    name = f"{stack.project}-echo"
    try:
        place = ("--name", name, "--network", network, "--network-alias", "gateway")
        docker("run", "--detach", *place, "axon-gateway:test", "python", "-c", echo)
        forged = ["--header", "X-Forwarded-For: 9.9.9.9", "--header", "X-Request-ID: forged"]
        curl = ["curl", "-sf", "--retry", "20", "--retry-all-errors", "--retry-delay", "1"]
        done = subprocess.run(
            [*curl, *forged, f"{stack.url}/api/model"], capture_output=True, text=True
        )
        told = json.loads(done.stdout)
    finally:
        docker("rm", "--force", name)
    (gateway_address,) = json.loads(docker("network", "inspect", network))[0]["IPAM"]["Config"] or [
        {}
    ]
    # To a container, a caller on this machine has the address of the network's gateway.
    assert told["X-Forwarded-For"] == gateway_address["Gateway"]
    assert told["Host"] == f"127.0.0.1:{stack.port}"
    assert told["X-Request-ID"] != "forged"
