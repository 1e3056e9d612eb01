"""Inference services that require TLS and a token, and what the gateway reports if it fails."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from axon_gateway.config import Settings
from axon_inference.serving.service import Service
from axon_service.settings import SettingsError

from ... import certificates
from ...certificates import Certificates
from .. import rig
from . import harness

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates.make(tmp_path_factory.mktemp("tls"), "DNS:axon.lab.example")


@pytest_asyncio.fixture
async def guarded(made: Certificates) -> AsyncIterator[Service]:
    """A service that requires TLS and a token; its certificate is for its public name."""
    settings: dict[str, Any] = {"tls_cert": made.cert, "tls_key": made.key, "tokens": (TOKEN,)}
    async with rig.serving(**settings) as service:
        yield service


async def readiness(settings: Settings, service: Service, **variables: str) -> tuple[int, str]:
    """The answer of /readyz of a gateway with these variables."""
    target = f"127.0.0.1:{service.port}"
    read = Settings.from_environment({"AXON_INFERENCE": target, **variables})
    changes = {
        name: getattr(read, name)
        for name in ("inference", "backend_tls", "backend_tls_name", "backend_token")
    }
    async with harness.running(dataclasses.replace(settings, **changes)) as gateway:
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            body = await answer.json()
        if answer.status == 200:
            client = await gateway.connect()
            await client.send(prompt="abc", max_tokens=2)
            assert (await client.until("finished", "error"))[-1]["type"] == "finished"
            await client.close()
        return answer.status, body.get("message", "")


async def test_a_service_is_reached_over_tls(
    settings: Settings, guarded: Service, made: Certificates
) -> None:
    variables = {
        "AXON_BACKEND_TLS_CA": str(made.ca),
        "AXON_BACKEND_TLS_NAME": "axon.lab.example",
        "AXON_BACKEND_TOKEN": f"{TOKEN},another",
    }
    assert await readiness(settings, guarded, **variables) == (200, "")
    status, message = await readiness(
        settings, guarded, **{**variables, "AXON_BACKEND_TOKEN": "wrong"}
    )
    assert (status, "wants an access token: set AXON_BACKEND_TOKEN" in message) == (503, True)
    status, message = await readiness(
        settings, guarded, **{**variables, "AXON_BACKEND_TLS_NAME": "other.example"}
    )
    assert (status, "another name: see AXON_BACKEND_TLS_NAME" in message) == (503, True)
    status, message = await readiness(
        settings, guarded, **{**variables, "AXON_BACKEND_TLS_CA": "system"}
    )
    assert (status, "that AXON_BACKEND_TLS_CA does not cover" in message) == (503, True)


async def test_a_service_without_tls_is_not_trusted(settings: Settings, made: Certificates) -> None:
    async with rig.serving() as service:
        ca = {"AXON_BACKEND_TLS_CA": str(made.ca)}
        status, message = await readiness(settings, service, **ca)
    assert (status, message.endswith("does not use TLS: see AXON_BACKEND_TLS_CA")) == (503, True)


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        ({"AXON_BACKEND_TLS_CA": "/nowhere/ca.pem"}, "No such file"),
        ({"AXON_BACKEND_TOKEN": "ключ"}, "printable ASCII"),
    ],
)
def test_invalid_settings_are_refused_at_start(variables: dict[str, str], hint: str) -> None:
    with pytest.raises(SettingsError, match=hint) as refused:
        Settings.from_environment(variables)
    assert "ключ" not in str(refused.value)
