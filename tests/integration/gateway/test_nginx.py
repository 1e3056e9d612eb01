"""Axon's nginx in front of a real gateway, and a university's proxy in front of both."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from axon_gateway.web.middleware import HEADERS

from ... import certificates, nginx
from ...patience import PATIENCE, eventually
from . import harness
from .harness import Running

#: The name under which people reach the proxy. Nothing else knows it.
NAME = "axon.uni.example"
#: Where the people come from, and where the proxy does.
CLIENT, PROXY = "127.0.0.2", "127.0.0.1"


@contextlib.asynccontextmanager
async def people(made: certificates.Certificates | None = None) -> AsyncIterator[Any]:
    """Clients at CLIENT that trust the certificate."""
    context = ssl.create_default_context(cafile=made.ca) if made else None
    connector = aiohttp.TCPConnector(local_addr=(CLIENT, 0), ssl=context or True)
    async with aiohttp.ClientSession(connector=connector) as http:
        yield http


@pytest.fixture
def made(tmp_path: Path) -> certificates.Certificates:
    return certificates.make(tmp_path / "made", "IP:127.0.0.1", f"DNS:{NAME}")


def address(gateway: Running) -> str:
    return gateway.url.removeprefix("http://")


BROWSER = {"Host": NAME, "Origin": f"https://{NAME}"}


@pytest.mark.parametrize("proxy", ["nginx with a sub-path", "caddy"])
async def test_a_proxy_with_tls(
    gateway: Running, tmp_path: Path, made: certificates.Certificates, proxy: str
) -> None:
    """What docs/deploy.md says is all that is needed: no AXON_HOSTS, no AXON_ORIGINS."""
    with contextlib.ExitStack() as running:
        front = running.enter_context(
            nginx.axon(tmp_path / "axon", address(gateway), AXON_PROXY=PROXY)
        )
        place = tmp_path / "proxy", front.port, made
        made_proxy = nginx.caddy(*place, NAME) if proxy == "caddy" else nginx.university(*place)
        url = running.enter_context(made_proxy)
        async with people(made) as http:
            for path, title in (("", "index"), ("r/some-room", "room"), ("r/some-room/", "room")):
                async with http.get(url + path, headers={"Host": NAME}) as page:
                    assert (page.status, title in await page.text()) == (200, True), path
            async with http.get(f"{url}api/model", headers=BROWSER) as answer:
                assert answer.status == 200
                assert answer.headers.getall("Content-Security-Policy") == [
                    HEADERS["Content-Security-Policy"]
                ]
            async with http.ws_connect(f"{url}ws?enter", headers=BROWSER) as socket:
                await socket.send_json({"type": "enter"})
                assert (await socket.receive_json())["type"] == "room"
                assert dict(gateway.gateway.limits._sockets) == {CLIENT: 1}
                await socket.send_json({"prompt": "x"})
                while (await socket.receive_json())["type"] != "finished":
                    pass


async def test_a_proxy_that_is_not_believed_is_named_in_the_log(
    gateway: Running,
    tmp_path: Path,
    made: certificates.Certificates,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        nginx.axon(tmp_path / "axon", address(gateway)) as front,
        nginx.university(tmp_path / "university", front.port, made) as url,
    ):
        async with people(made) as http, http.get(f"{url}api/model", headers=BROWSER) as answer:
            # Its X-Forwarded-Proto is not believed either, so nothing proves the name.
            assert answer.status == 403
            assert f"'{NAME}': add it to AXON_HOSTS" in (await answer.json())["message"]
    [told] = [record.message for record in caplog.records if "is not believed" in record.message]
    assert f"a proxy at {PROXY} " in told


async def test_a_proxy_that_does_not_pass_the_host_on_is_told_what_to_do(
    gateway: Running, tmp_path: Path, made: certificates.Certificates
) -> None:
    with (
        nginx.axon(tmp_path / "axon", address(gateway), AXON_PROXY=PROXY) as front,
        nginx.university(
            tmp_path / "university", front.port, made, without="proxy_set_header Host"
        ) as url,
    ):
        async with people(made) as http, http.get(f"{url}ws", headers=BROWSER) as answer:
            assert answer.status == 403
            assert "a proxy in between must pass Host on" in (await answer.json())["message"]


async def test_what_clients_say_of_themselves_is_not_believed(
    gateway: Running, tmp_path: Path
) -> None:
    forged = {"Host": NAME, "X-Forwarded-Proto": "https", "X-Forwarded-For": "9.9.9.9"}
    with nginx.axon(tmp_path / "axon", address(gateway), AXON_PROXY="10.0.0.7") as front:
        url = f"http://127.0.0.1:{front.port}"
        async with people() as http:
            async with http.get(f"{url}/api/model", headers=forged) as answer:
                assert answer.status == 403
            async with http.ws_connect(f"{url}/ws", headers={"X-Forwarded-For": "9.9.9.9"}):
                await eventually(lambda: bool(gateway.gateway.limits._sockets))
                assert dict(gateway.gateway.limits._sockets) == {CLIENT: 1}


async def test_the_page_over_tls(
    gateway: Running, tmp_path: Path, made: certificates.Certificates
) -> None:
    with nginx.axon(tmp_path / "axon", address(gateway), made) as front:
        place = f"127.0.0.1:{front.port}"
        async with people(made) as http:
            async with http.get(f"https://{place}/", headers={"Host": NAME}) as page:
                assert page.status == 200
            # Over TLS the certificate proves the name.
            async with http.get(f"https://{place}/api/model", headers=BROWSER) as answer:
                assert answer.status == 200
            plain = f"http://{place}/r/room?x=1"
            async with http.get(plain, allow_redirects=False) as answer:
                assert answer.status == 307
                assert answer.headers["Location"] == f"https://{place}/r/room?x=1"


async def test_tokens_reach_no_log_and_errors_have_all_headers(tmp_path: Path) -> None:
    with nginx.axon(tmp_path / "axon", "127.0.0.1:9") as front:
        url = f"http://127.0.0.1:{front.port}"
        async with people() as http:
            async with http.get(f"{url}/api/model?access=s3cret") as answer:
                assert (answer.status, (await answer.json())["error"]) == (503, "not_ready")
                assert answer.headers.items() >= HEADERS.items()
                assert answer.headers["Retry-After"]

            head = await too_many(url, "/api/x?token=s3cret")
            assert {f"{name}: {value}" for name, value in HEADERS.items()} <= set(head)
            async with http.get(f"{url}/metrics") as answer:
                assert answer.status == 404
        assert "/api/model" in front.said
        assert "s3cret" not in front.said


async def too_many(url: str, path: str) -> list[str]:
    """The head of the first answer 429, to requests that all lie there before one is answered."""
    reader, writer = await harness.connection(url)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode() * 900)
    answers = b""
    async with asyncio.timeout(PATIENCE):
        while b"\r\n\r\n" not in (refused := answers.partition(b"HTTP/1.1 429 ")[2]):
            answers += await reader.read(65536)
    writer.close()
    return refused.partition(b"\r\n\r\n")[0].decode().split("\r\n")


async def test_there_are_two_workers_however_many_cores(tmp_path: Path) -> None:
    with nginx.axon(tmp_path / "axon", "127.0.0.1:9") as front:
        # The port is there before the workers, which are started one after the other.
        await eventually(lambda: front.workers >= 2)
        assert front.workers == 2


def told(lines: list[str], *words: str) -> None:
    [line] = lines
    assert line.startswith("axon: ")
    for word in words:
        assert word in line, line


def test_mistakes_in_axon_proxy_are_told_in_one_line(tmp_path: Path) -> None:
    told(
        nginx.refusal(tmp_path / "name", AXON_PROXY="10.0.0.7,proxy.uni.example"),
        "AXON_PROXY=10.0.0.7,proxy.uni.example cannot be used: proxy.uni.example",
        "(10.0.0.7)",
    )
    told(nginx.refusal(tmp_path / "half", AXON_PROXY="10.0"), "nginx cannot start", "10.0")
    (tmp_path / "routes").write_text("Iface\tDestination\tGateway\n")
    told(
        nginx.refusal(tmp_path / "host", AXON_PROXY="host", ROUTES=str(tmp_path / "routes")),
        "no route to its host",
    )


def test_the_word_host_means_the_machine_that_runs_the_container(tmp_path: Path) -> None:
    routes = tmp_path / "routes"
    routes.write_text(
        "Iface\tDestination\tGateway \tFlags\n"
        "eth0\t000012AC\t00000000\t0001\n"
        "eth0\t00000000\t010012AC\t0003\n"
    )
    with nginx.axon(
        tmp_path / "axon", "127.0.0.1:9", AXON_PROXY="host, 10.1.0.0/16", ROUTES=str(routes)
    ):
        proxies = (tmp_path / "axon/etc/conf.d/proxies.conf").read_text()
    assert "set_real_ip_from 172.18.0.1;" in proxies
    assert "    172.18.0.1 1;" in proxies
    assert "set_real_ip_from 10.1.0.0/16;" in proxies


def test_certificates_that_cannot_be_used_are_told_in_one_line(
    tmp_path: Path, made: certificates.Certificates
) -> None:
    other = certificates.make(tmp_path / "other", "IP:127.0.0.1")
    wrong_key = certificates.Certificates(made.ca, made.cert, other.key)
    told(nginx.refusal(tmp_path / "key", wrong_key), "AXON_TLS_CERT cannot be used", "mismatch")
    text = tmp_path / "text"
    text.write_text("not a certificate")
    no_pem = certificates.Certificates(made.ca, text, text)
    told(
        nginx.refusal(tmp_path / "pem", no_pem),
        "AXON_TLS_CERT cannot be used",
        "cannot load certificate",
    )
    gone = nginx.refusal(tmp_path / "gone", AXON_GRPC_LISTEN="9 ssl http2")
    told(gone, "AXON_GRPC_TLS_CERT", "cannot be read by user")
