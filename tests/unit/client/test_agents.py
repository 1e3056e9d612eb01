"""`axon mcp`, asked by the client of the protocol's own SDK."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import axon
import grpc
import pytest
from axon import agents, extras, labels
from axon.agents.tools import Tools
from mcp import Client, StdioServerParameters

from tests.integration.gateway.fake_inference import Failure, FakeInference, Script
from tests.patience import eventually

SWAP = {"source": "fake/0-res", "feature": 21, "swap_with": 5}
LABELS = {"fake/0-res/21": "capitals", "fake/1-res/7": "France"}


@asynccontextmanager
async def asking(inference: FakeInference, **connection: Any) -> AsyncIterator[Client]:
    tools = Tools(inference.address, connection, LABELS)
    async with Client(agents.server(tools)) as client:
        yield client


async def ask(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert not result.is_error, content
    return str(content.text)


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert result.is_error, content
    return str(content.text)


async def test_the_tools_say_what_they_take(inference: FakeInference) -> None:
    async with asking(inference) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["model", "generate", "features", "feature", "twin", "why"]
    assert all(tool.description for tool in tools.values())
    schema = tools["twin"].input_schema
    edit = schema["$defs"]["Edit"]["properties"]
    assert schema["required"] == ["prompt", "edits"]
    assert {"source", "feature", "set", "scale", "add", "swap_with"} <= set(edit)
    assert edit["where"]["anyOf"][0]["enum"] == ["while_firing", "everywhere"]
    assert tools["generate"].input_schema["properties"]["max_tokens"]["type"] == "integer"


async def test_the_model_is_told(inference: FakeInference) -> None:
    async with asking(inference) as client:
        told = await ask(client, "model")
    assert "fake: 2 layers, context 128 tokens" in told
    assert "fake/1-res: 64 features at blocks.1.hook_resid_post" in told


async def test_generate_continues(inference: FakeInference) -> None:
    async with asking(inference) as client:
        told = await ask(client, "generate", prompt="x", max_tokens=4, seed=3)
        assert told == "' of France is Paris' (ended by length)"
        assert inference.seen.requests[0].sampling.seed == 3
        why = await refused(client, "generate", prompt="x", max_tokens=500)
        assert "max_tokens is 500; it must be 1 to 200" in why


async def test_features_tell_each_token_with_labels(inference: FakeInference) -> None:
    inference.script = Script(prompt=("<bos>", *(f" {n}" for n in range(1, 60))))
    async with asking(inference) as client:
        told = await ask(client, "features", text="x", top=2)
        assert "\n1 ' 1'\n  fake/0-res  7:3.00  8:2.00\n  fake/1-res  " in told
        assert "7:3.00 (France)" in told
        assert told.endswith("20 more tokens: first_position=40")
        assert inference.seen.requests[0].max_tokens == 0
        assert inference.seen.requests[0].features.top_k == 2
        rest = await ask(client, "features", text="x", first_position=40)
        assert rest.startswith("40 ' 40'")
        assert "more tokens" not in rest
        assert "no token at 99" in await ask(client, "features", text="x", first_position=99)


async def test_a_feature_is_told(inference: FakeInference) -> None:
    async with asking(inference) as client:
        told = await ask(client, "feature", source="fake/0-res", index=21)
    assert told.splitlines() == [
        "fake/0-res/21 (capitals)",
        "promotes: ' Paris' +1.50",
        "suppresses: ' x' -0.50",
        "alike (cosine of decoder rows): fake/0-res/22 0.25",
        "in another source: fake/1-res/21 0.50",
        "fires at 2.50: 'The[ capital]'",
    ]


async def test_a_twin_tells_what_edits_change(inference: FakeInference) -> None:
    async with asking(inference) as client:
        told = await ask(client, "twin", prompt="x", edits=[SWAP])
        assert "as is: ' of France is Paris' (ended by length)" in told
        assert "edited (fake/0-res/21 swap 5): ' of~ France~ is~ Paris~'" in told
        assert "fake/0-res/21 (capitals) 3.00 -> 0.00" in told
        [request] = inference.seen.requests
        assert [len(branch.edits) for branch in request.branches] == [0, 1]
        assert "edits is empty" in await refused(client, "twin", prompt="x", edits=[])
        both = {**SWAP, "scale": 0}
        assert "has scale and swap_with" in await refused(client, "twin", prompt="x", edits=[both])
        wrong = {**SWAP, "where": "nowhere"}
        assert "while_firing" in await refused(client, "twin", prompt="x", edits=[wrong])


async def test_why_tells_the_strongest_effects(inference: FakeInference) -> None:
    async with asking(inference) as client:
        told = await ask(client, "why", prompt="x", source="fake/1-res", top=2)
        assert "active features were tried" in told
        assert len(told.splitlines()) == 2 + 2
        why = await refused(client, "why", prompt="x", target="two tokens")
        assert "must be exactly one token" in why


async def test_answers_are_bounded(inference: FakeInference) -> None:
    inference.script = Script(prompt=("<bos>", *("x" * 700 for _ in range(30))))
    async with asking(inference) as client:
        told = await ask(client, "features", text="x")
    assert len(told) < 8_100
    assert told.endswith("\n... cut after 8000 characters: ask for less")


async def test_errors_are_what_the_server_says(inference: FakeInference) -> None:
    async with asking(inference, connect_timeout=2) as client:
        why = "there is no source 'x'; there are fake/0-res"
        inference.script.refusal = Failure(grpc.StatusCode.NOT_FOUND, why)
        assert why in await refused(client, "feature", source="x", index=1)
        assert "max_tokens" in await refused(client, "generate", prompt="x", max_tokens="many")
        await inference.stop()
        told = ""

        async def is_named() -> bool:
            nonlocal told
            told = await refused(client, "model")
            return inference.address in told

        # The call that meets the loss may say what broke; a later one says who does not answer.
        await eventually(is_named)
        assert "no Axon server answered" in told or "failed to connect" in told


async def test_it_speaks_over_standard_input_and_output(
    inference: FakeInference, tmp_path: Path
) -> None:
    folder = tmp_path / "fake" / "0-res" / "explanations"
    folder.mkdir(parents=True)
    row = {"index": "21", "description": "capitals"}
    with gzip.open(folder / "batch-0.jsonl.gz", "wt") as file:
        file.write(json.dumps(row) + "\n")
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "axon", "mcp", "--address", inference.address, "--labels", str(tmp_path)],
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    async with Client(server) as client:
        told = await ask(client, "feature", source="fake/0-res", index=21)
    assert told.startswith("fake/0-res/21 (capitals)\n")


def test_labels_are_read_and_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(axon.AxonError, match="there are no labels in"):
        labels.read_labels(tmp_path)
    folder = tmp_path / "m" / "0-res" / "explanations"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"index": 3, "description": "three"}\n')
    assert labels.read_labels(tmp_path) == {"m/0-res/3": "three"}
    (folder / "b.jsonl").write_text('{"index": "x"}\n')
    with pytest.raises(axon.AxonError, match=r"b.jsonl is no file of labels"):
        labels.read_labels(tmp_path)


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name="mcp")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(axon.AxonError, match=r"this needs mcp: pip install 'axon-client\[mcp\]'"):
        agents.server(Tools("x", {}, {}))
