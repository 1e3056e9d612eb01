"""Edits of the bundled model as people reach them: client, command, gateway; all real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import axon
import pytest
from axon import Branch, Client, Edit, Edited, Started, Tokens
from axon_gateway.config import Settings
from axon_inference.config import BUNDLED_MODEL

from ..ports import free_port
from .gateway.harness import running
from .process import forked, wait_until_serving

# The first process waits until torch, transformers and SAELens are imported.
pytestmark = pytest.mark.timeout(200)

PROMPT = "The capital of France is"
# France becomes Japan, and is silenced (see the model's card).
SWAP = Edit("axon-demo/2-res", 1353, swap_with=1683)
SILENCE = Edit("axon-demo/2-res", 1353, scale=0)
TWIN = [Branch("as is"), Branch("edited", (SWAP,))]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    port = free_port()
    with forked(AXON_GRPC_PORT=port, AXON_SLOTS=4, AXON_THREADS=1):
        wait_until_serving(port)
        yield f"127.0.0.1:{port}"


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_a_twin_says_what_would_have_been(client: Client) -> None:
    result = client.generate(
        PROMPT, branches=TWIN, max_tokens=3, temperature=0, alternatives=2
    ).result()
    as_is, edited = result.branches
    assert "Paris" in as_is.text
    assert "Tokyo" in edited.text
    france = next(token for token in edited.tokens if "France" in token.text)
    [found] = [f for f in france.source_features if f.source == "axon-demo/2-res"]
    changes = {one.feature: (one.before, one.after) for one in found.edited}
    assert set(changes) == {1353, 1683}
    before, after = changes[1353]
    assert before > 0
    assert after == 0
    assert changes[1683][1] == pytest.approx(changes[1683][0] + before, rel=1e-4)
    assert 1353 not in found.ids
    assert 1683 in found.ids
    for branch in result.branches:
        assert [len(token.alternatives) for token in branch.tokens] == [2] * len(branch.tokens)
        assert branch.tokens[0].logprob is None
        for token, following in zip(branch.tokens, branch.tokens[1:], strict=False):
            assert following.logprob is not None
            best = token.alternatives[0]
            if following.generated:  # greedy
                assert best.text == following.text
                assert best.logprob == pytest.approx(following.logprob, abs=1e-4)


def test_a_text_is_scored_under_edits(client: Client) -> None:
    """A prompt alone, with the log-probability of each of its tokens."""
    text = f"{PROMPT} Paris"
    result = client.generate(text, branches=TWIN, max_tokens=0, alternatives=0).result()
    scores = [branch.tokens[-1].logprob for branch in result.branches]
    assert scores[0] > -0.5
    assert scores[1] < -5


def test_an_edit_in_mid_stream_changes_what_follows_and_can_be_repeated(client: Client) -> None:
    knobs: Any = {"max_tokens": 30, "temperature": 0, "pace": 10}
    tokens, told = [], None
    with client.generate(PROMPT, **knobs) as events:
        for event in events:
            if isinstance(event, Started):
                generation = event.generation
            elif isinstance(event, Tokens):
                tokens += event.tokens
                if len(tokens) >= 12 and told is None:
                    push = Edit("axon-demo/1-res", 40, add=30)
                    told = client.edit(generation, 0, push)
            elif isinstance(event, Edited):
                assert (event.branch, event.position) == (0, told)
                assert tokens[-1].position < event.position
    assert told is not None
    assert [bool(t.source_features[1].edited) for t in tokens[1:]] == [
        t.position >= told for t in tokens[1:]
    ]
    later = Edit("axon-demo/1-res", 40, add=30, first_position=told)
    [again] = client.generate(PROMPT, edits=later, **{**knobs, "pace": None}).result().branches
    assert [token.text for token in again.tokens] == [token.text for token in tokens]
    [plain] = client.generate(PROMPT, **{**knobs, "pace": None}).result().branches
    assert [token.text for token in plain.tokens] != [token.text for token in tokens]
    with pytest.raises(axon.AxonError) as refused:
        client.edit(generation, 0, SILENCE)
    assert refused.value.code == "NOT_FOUND"


def test_the_command_shows_both(address: str) -> None:
    edit = "axon-demo/2-res/1353 swap 1683"
    command = [sys.executable, "-m", "axon", "generate", PROMPT, "--twin", "--edit", edit]
    command += ["--temperature", "0", "--max-tokens", "2", "--address", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    as_is, edited = done.stdout.split(f"edited: {edit}")
    assert "Paris" in as_is
    assert "Tokyo" in edited
    assert "(was" in edited


def of(frames: list[dict[str, Any]], kind: str, branch: int) -> str:
    found = [f for f in frames if f["type"] == kind and f.get("branch", 0) == branch]
    return "".join(frame["token"] for frame in found)


async def test_the_gateway_passes_edits_on(address: str) -> None:
    settings = Settings(
        inference=address, page=None, room_grace=0.2, labels=BUNDLED_MODEL / "labels"
    )
    swap = {"source": "axon-demo/2-res", "feature": 1353, "swap_with": 1683}
    request = {
        "prompt": PROMPT,
        "temperature": 0,
        "max_tokens": 3,
        "branches": [{"name": "as is"}, {"name": "edited", "edits": [swap]}],
    }
    async with running(settings) as gateway:
        async with gateway.http.post(f"{gateway.url}/api/generate", json=request) as answer:
            assert answer.status == 200
            frames = [json.loads(line) async for line in answer.content]
        assert "Paris" in of(frames, "token", 0)
        assert "Tokyo" in of(frames, "token", 1)
        bad = {**request, "branches": [{"edits": [{**swap, "feature": 10**6}]}]}
        async with gateway.http.post(f"{gateway.url}/api/generate", json=bad) as answer:
            assert answer.status == 400
            assert (await answer.json())["field"] == "branches[0].edits[0].feature"
        socket = await gateway.connect()
        await socket.send(
            type="generate", prompt=PROMPT, max_tokens=40, pace=10, branches=request["branches"]
        )
        await socket.until("token")
        push = {"source": "axon-demo/1-res", "feature": 40, "add": 2, "unit": "max"}
        await socket.send(type="edit", branch=1, edits=[push])
        edited = (await socket.until("edited"))[-1]
        assert edited["branch"] == 1
        assert edited["edits"][0]["where"] == "everywhere"
        assert edited["edits"][0]["add"] > 2
        while (frame := await socket.frame())["type"] != "token" or frame["branch"] != 1:
            pass
        assert frame["position"] == edited["position"]
        marked = [f["id"] for f in frame["features"] if f.get("edited")]
        assert marked == [40]
        await socket.send(type="edit", branch=2, edits=[])
        assert (await socket.until("error"))[-1]["field"] == "branch"
        await socket.send(type="stop")
        await socket.until("finished")
