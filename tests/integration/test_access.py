"""TLS and access tokens of the inference service, for the client library and for probes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import axon
import grpc
import pytest
import pytest_asyncio
from axon import cli
from axon_inference.serving.service import Service
from axon_service.settings import SettingsError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from .. import certificates
from ..certificates import Certificates
from .rig import serving

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("tls"), "DNS:localhost")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("others"), "DNS:localhost")


@pytest_asyncio.fixture
async def guarded(made: Certificates) -> AsyncIterator[Service]:
    """A service that requires TLS and a token."""
    async with serving(tls_cert=made.cert, tls_key=made.key, tokens=("old", TOKEN)) as service:
        yield service


async def ask(service: Service, **options: Any) -> str:
    """The model's name, after both clients have asked for it and a generation has run."""
    address = f"localhost:{service.port}"

    def blocking() -> str:
        with axon.Client(address, connect_timeout=5, **options) as client:
            return client.model().model

    name = await asyncio.to_thread(blocking)
    async with axon.AsyncClient(address, connect_timeout=5, **options) as client:
        assert (await client.model()).model == name
        assert (await client.feature("fake/0-res", 7, limit=1)).promoted
        events = [event async for event in client.generate("abc", max_tokens=2)]
        assert isinstance(events[-1], axon.Finished)
    return name


async def test_tls_and_token(guarded: Service, made: Certificates) -> None:
    assert await ask(guarded, tls=made.ca, token=TOKEN) == "fake"
    assert await ask(guarded, tls=str(made.ca), token="old") == "fake"


async def test_the_systems_authorities_are_trusted(
    guarded: Service, made: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    assert await ask(guarded, tls=True, token=TOKEN) == "fake"


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x"])
async def test_a_call_without_a_valid_token_is_refused(token: str | None) -> None:
    async with serving(tokens=(TOKEN,)) as service:
        client = axon.AsyncClient(f"127.0.0.1:{service.port}", token=token)
        async with client:
            with pytest.raises(axon.AxonError) as asked:
                await client.model()
            with pytest.raises(axon.AxonError) as generated:
                await anext(client.generate("abc"))
    for refused in (asked.value, generated.value):
        assert refused.code == "UNAUTHENTICATED"
        assert "AXON_GRPC_TOKENS" in refused.message
        assert "authorization: Bearer TOKEN" in refused.message
        assert refused.message.endswith("another one came" if token else "none came")
        assert TOKEN not in refused.message


async def test_health_and_reflection_need_no_token() -> None:
    async with (
        serving(tokens=(TOKEN,)) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = reflection.ServerReflectionInfo(iter([request]))
        names = [one.name for one in (await call.read()).list_services_response.service]
        assert "axon.v1.InferenceService" in names


async def test_a_server_signed_by_another_authority_is_not_trusted(
    guarded: Service, others: Certificates
) -> None:
    client = axon.AsyncClient(
        f"localhost:{guarded.port}", tls=others.ca, token=TOKEN, connect_timeout=0.5
    )
    async with client:
        with pytest.raises(axon.AxonError, match="with a certificate for that name"):
            await client.model()


def test_the_command_line_supports_tls_and_tokens(
    made: Certificates, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(*options: str) -> int:
        async with serving(tls_cert=made.cert, tls_key=made.key, tokens=(TOKEN,)) as service:
            command = ["model", "--json", "--address", f"localhost:{service.port}", *options]
            return await asyncio.to_thread(cli.main, command)

    assert asyncio.run(run("--ca", str(made.ca), "--token", TOKEN)) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "fake"
    monkeypatch.setenv("AXON_GRPC_TOKEN", TOKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    assert asyncio.run(run("--tls")) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "fake"
    monkeypatch.delenv("AXON_GRPC_TOKEN")
    assert asyncio.run(run("--tls")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("none came (--token or AXON_GRPC_TOKEN)")
    assert asyncio.run(run("--ca", str(made.key))) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"axon: TLS authorities in {made.key}: no certificates in PEM format"
    assert asyncio.run(run("--ca", "/nowhere")) == 1
    assert "/nowhere: No such file" in capsys.readouterr().err


def test_a_token_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(axon.AxonError, match="printable ASCII"):
        axon.Client(token="ключ")


@pytest.mark.parametrize(
    ("cert", "key", "hint"),
    [
        ("cert.pem", None, "go together"),
        (None, "key.pem", "go together"),
        ("none.pem", "key.pem", "AXON_GRPC_TLS_CERT=.*none.pem cannot be read: No such file"),
        ("cert.pem", "none.pem", "AXON_GRPC_TLS_KEY=.*none.pem cannot be read: No such file"),
        ("key.pem", "key.pem", "are not a certificate and its unencrypted key"),
        ("cert.pem", "ca.key", "KEY_VALUES_MISMATCH"),
    ],
)
async def test_invalid_certificate_files_are_refused_at_start(
    made: Certificates, cert: str | None, key: str | None, hint: str
) -> None:
    def path(name: str | None) -> Path | None:
        return made.ca.parent / name if name else None

    with pytest.raises(SettingsError, match=hint):
        async with serving(tls_cert=path(cert), tls_key=path(key)):
            pass
