"""Who may do what: access tokens, names of the server, proxies, and what browsers may do."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from axon_gateway.config import Settings
from axon_gateway.web.middleware import HEADERS

from ...patience import eventually
from . import harness
from .harness import Running

ROOT = Path(__file__).resolve().parents[3]
SOURCE = "/api/features/fake/0-res"
#: Everything that a viewer may ask; /api/map is one that may come.
GUARDED = (
    "/api/model",
    f"{SOURCE}/7",
    f"{SOURCE}?index=7",
    "/api/features?label=label",
    "/api/map",
)
GUARDED += ("/api/rooms/nothing/recording.jsonl",)


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    return dataclasses.replace(settings, join_tokens=("learn",), generate_tokens=("teach",))


@pytest.mark.parametrize("path", GUARDED)
async def test_everything_below_api_needs_the_token_to_watch(guarded: Settings, path: str) -> None:
    async with harness.running(guarded) as gateway:
        for token, refused in (("", True), ("guess", True), ("learn", False), ("teach", False)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with gateway.http.get(f"{gateway.url}{path}", headers=headers) as answer:
                assert (answer.status == 401) is refused, (token, answer.status)
                if refused:
                    assert (await answer.json())["error"] == "no_access"


async def test_probes_and_the_page_need_no_token(guarded: Settings) -> None:
    async with harness.running(guarded) as gateway:
        for path in ("/healthz", "/readyz"):
            async with gateway.http.get(f"{gateway.url}{path}") as answer:
                assert answer.status == 200
        async with gateway.http.get(gateway.url) as answer:
            assert answer.status != 401


async def test_generating_over_http_needs_the_token_to_watch_if_it_needs_no_other(
    settings: Settings,
) -> None:
    settings = dataclasses.replace(settings, join_tokens=("learn",))
    async with harness.running(settings) as gateway:
        url, body = f"{gateway.url}/api/generate", {"prompt": "x"}
        for headers, status in (({}, 401), ({"Authorization": "Bearer learn"}, 200)):
            async with gateway.http.post(url, json=body, headers=headers) as answer:
                assert answer.status == status
                await answer.read()


async def test_tokens_come_in_the_first_message_of_a_socket(guarded: Settings) -> None:
    async with harness.running(guarded) as gateway:
        teacher = await gateway.connect(enter="")
        await teacher.send(type="enter", access="teach")
        room = await teacher.frame()
        assert room["type"] == "room"
        await teacher.send(prompt="x")
        await teacher.until("finished")
        pupil = await gateway.connect(enter="", room=room["room"])
        await pupil.send(type="enter", access="learn", token=None)
        assert (await pupil.frame())["role"] == "viewer"
        # The presenter returns with the room's own token.
        again = await gateway.connect(enter="", room=room["room"])
        await again.send(type="enter", access="teach", token=room["presenter_token"])
        assert (await again.frame())["role"] == "presenter"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"type": "enter"}, "no_access"),
        ({"type": "enter", "access": "guess"}, "no_access"),
        ({"type": "enter", "access": 7}, "wrong_type"),
        ({"type": "ping"}, "unknown_type"),
        ({"prompt": "x", "access": "teach"}, "unknown_type"),
    ],
)
async def test_a_wrong_first_message_is_refused(
    guarded: Settings, message: dict[str, Any], error: str
) -> None:
    async with harness.running(guarded) as gateway:
        # What the address says does not count then.
        client = await gateway.connect(enter="", access="teach")
        await client.raw.send_json(message)
        assert (await client.frame())["error"] == error
        assert (await client.raw.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_client_that_never_enters_is_sent_away(
    guarded: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with harness.running(dataclasses.replace(guarded, body_timeout=0.2)) as gateway:
        silent = await gateway.connect(enter="")
        assert (await silent.frame())["error"] == "too_slow"
        gone = await gateway.connect(enter="")
        await gone.close()
        await eventually(lambda: not gateway.gateway.sockets)
    assert not [record for record in caplog.records if record.exc_info]


async def ask(gateway: Running, host: str | None, path: str = "/api/model", **more: str) -> int:
    """The status for a request with this Host, as a browser that was led here would send."""
    reader, writer = await harness.connection(gateway.url)
    headers = ({"Host": host} if host is not None else {}) | more
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    version = "1.0" if host is None else "1.1"
    writer.write(f"GET {path} HTTP/{version}\r\n{lines}\r\n".encode())
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


@pytest.mark.parametrize("path", ["/", "/api/model", "/ws", "/metrics", "/r/room"])
async def test_a_foreign_name_for_this_address_is_refused(gateway: Running, path: str) -> None:
    """DNS rebinding: to the browser, the attacker's page and this server are one origin."""
    more = {"Origin": "http://evil.example:8000"}
    assert await ask(gateway, "evil.example:8000", path, **more) == 403


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "LOCALHOST",
        "axon.localhost",
        "127.0.0.1:8000",
        "192.168.1.20",
        "[::1]:8000",
        "[fe80::1]",
        "gpubox:8000",
        "gpubox.local",
        "gpubox.home.arpa.",
        "host.docker.internal",
        "gateway.axon.svc.cluster.local:8000",
        None,
    ],
)
async def test_names_of_this_machine_and_its_network_are_known(
    gateway: Running, host: str | None
) -> None:
    assert await ask(gateway, host) == 200


@pytest.mark.parametrize(
    ("hosts", "host", "status"),
    [
        (("axon.lab.example",), "axon.lab.example:8000", 200),
        (("axon.lab.example",), "AXON.lab.example.", 200),
        (("axon.lab.example",), "evil.axon.lab.example", 403),
        ((".lab.example",), "axon.lab.example", 200),
        ((".lab.example",), "evillab.example", 403),
        (("*",), "anything.example", 200),
        ((), "evil.example\\@localhost", 403),
        ((), "localhost.evil.example", 403),
        ((), "127.0.0.1.evil.example", 403),
    ],
)
async def test_other_names_are_known_if_axon_hosts_names_them(
    settings: Settings, hosts: tuple[str, ...], host: str, status: int
) -> None:
    async with harness.running(dataclasses.replace(settings, hosts=hosts)) as gateway:
        assert await ask(gateway, host) == status


async def test_over_tls_the_certificate_has_proved_the_name(settings: Settings) -> None:
    async with harness.running(settings) as gateway:
        assert await ask(gateway, "axon.uni.example", X_Forwarded_Proto="https") == 200
    nobody = dataclasses.replace(settings, trusted_proxies=())
    async with harness.running(nobody) as gateway:
        assert await ask(gateway, "axon.uni.example", X_Forwarded_Proto="https") == 403


async def test_probes_are_answered_under_any_name(gateway: Running) -> None:
    for path in ("/healthz", "/readyz"):
        assert await ask(gateway, "probe.example", path) == 200


async def test_every_answer_tells_browsers_what_to_forbid(gateway: Running) -> None:
    for path in ("/", "/r/room", "/api/model", "/api/nothing", "/no-such-file", "/healthz"):
        async with gateway.http.get(f"{gateway.url}{path}") as answer:
            assert answer.headers.items() >= HEADERS.items(), path
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_nginx_sends_the_same_headers() -> None:
    lines = (ROOT / "frontend/nginx/headers.conf").read_text().splitlines()
    added = [
        line.removesuffix(" always;").split(" ", 2)[1:] for line in lines if "add_header" in line
    ]
    assert {name: value.strip('"') for name, value in added} == HEADERS
    hidden = [line.split()[1].rstrip(";") for line in lines if line.startswith("proxy_hide_header")]
    assert set(hidden) == HEADERS.keys()


async def test_a_proxy_that_is_not_believed_is_told_of_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = dataclasses.replace(settings, trusted_proxies=())
    async with harness.running(nobody) as gateway:
        for _ in range(3):
            await ask(gateway, "localhost", X_Forwarded_For="10.1.2.3")
    [told] = [record for record in caplog.records if "is not believed" in record.message]
    assert told.levelno == logging.WARNING
    assert "127.0.0.1" in told.message
    assert "AXON_PROXY" in told.message


async def test_nginx_names_a_proxy_that_it_does_not_believe(
    gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    forwarded = {"X_Forwarded_For": "172.18.0.1"}
    await ask(gateway, "localhost", X_Unknown_Proxy="172.18.0.1", **forwarded)
    await ask(gateway, "localhost", **forwarded)
    [told] = [record.message for record in caplog.records if "is not believed" in record.message]
    assert "a proxy at 172.18.0.1 " in told
