"""gRPC from other machines: over TLS, with an access token."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import axon
import pytest

from .. import certificates
from .conftest import Maker
from .stack import text, until

pytestmark = pytest.mark.timeout(600)

PROMPT = "The capital of France is"


async def test_grpc_requires_tls_and_a_token_when_they_are_set(
    another: Maker, tmp_path: Path
) -> None:
    made = certificates.make(tmp_path, "IP:127.0.0.1")
    made.key.chmod(0o644)  # nginx reads it, and does not run as root
    stack = another(
        AXON_GRPC_TLS_CERT=str(made.cert),
        AXON_GRPC_TLS_KEY=str(made.key),
        AXON_GRPC_TOKENS="s3cret",
    )
    stack.up()
    await stack.ready()
    ask = {"max_tokens": 4, "temperature": 0}
    with axon.Client(stack.grpc, tls=str(made.ca), token="s3cret") as client:
        assert list(client.generate(PROMPT, **ask))
    with axon.Client(stack.grpc, tls=str(made.ca)) as client:
        with pytest.raises(axon.AxonError) as refused:
            list(client.generate(PROMPT, **ask))
        assert refused.value.code == "UNAUTHENTICATED"
    with axon.Client(stack.grpc, token="s3cret", connect_timeout=3) as client:
        with pytest.raises(axon.AxonError) as refused:
            list(client.generate(PROMPT, **ask))
        assert refused.value.code == "UNAVAILABLE"
    # The gateway is given the token by compose.yaml.
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{stack.url}/ws") as socket:
        await until(socket, "room")
        await socket.send_json({"prompt": PROMPT, **ask})
        assert "Paris" in text(await until(socket, "finished"))
