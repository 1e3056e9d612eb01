"""Evaluation tools, unmodified, against the gateway. `make evals` installs them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from axon import Client
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as stubs
from axon_dev.install import EVALS
from axon_gateway.config import Settings
from axon_inference.config import BUNDLED_MODEL
from openai import AsyncOpenAI
from transformers import AutoTokenizer

from .. import tiny
from ..integration.gateway import harness
from ..integration.gateway.fake_inference import MODEL, SOURCES, FakeInference
from ..integration.process import forked, serving, wait_until_serving
from ..ports import free_port
from ..releases import HubCache

# Their imports alone take half a minute of a busy machine.
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
EDIT = {"source": SOURCES[0], "feature": 21, "scale": 0}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    port = free_port()
    with forked(AXON_GRPC_PORT=port, AXON_SLOTS=4, AXON_THREADS=1):
        wait_until_serving(port)
        yield f"127.0.0.1:{port}"


def settings(inference: str) -> Settings:
    return Settings(inference=inference, redis_url="redis://127.0.0.1:1/0", page=None)


async def run(program: str, *arguments: str) -> Any:
    """What a program prints, as JSON, in the environment of the evaluation tools."""
    assert EVALS.is_dir(), "run make evals first"
    offline = {f"{what}_OFFLINE": "1" for what in ("HF_HUB", "HF_DATASETS")}
    process = await asyncio.create_subprocess_exec(
        *(str(EVALS / "bin" / "python"), str(HERE / program), *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **offline, "OPENAI_API_KEY": "none"},
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


async def test_lm_eval_measures_the_bundled_model_without_and_with_an_edit(address: str) -> None:
    async with harness.running(settings(address)) as gateway:
        await gateway.gateway.backends.check()
        told = await run("lm_eval_capitals.py", gateway.url, str(BUNDLED_MODEL / "model"))
    scored, written, edited = (told[name] for name in ("scored", "written", "edited"))
    assert scored["results"]["scored"]["acc,none"] == 1
    assert written["results"]["written"]["exact_match,none"] == 1
    # France's feature is Japan's now: one of the four answers changes.
    assert edited["results"]["written"]["exact_match,none"] == 0.75
    assert edited["answers"]["France"] == [[" Tokyo"]]
    # The figures are those that the model's server tells itself.
    with Client(address) as client:
        for country, answers in scored["answers"].items():
            [[first, greedy]] = answers[list(scored["answers"]).index(country)]
            result = client.generate(
                f"The capital of {country} is", max_tokens=1, temperature=0, alternatives=1
            ).result()
            [token] = [one for one in result.branches[0].tokens if one.generated]
            assert greedy
            assert first == pytest.approx(token.logprob, abs=1e-4)


#: A repository of the hub, the model in it, and its SAE.
CHAT, NAME, CHAT_SOURCE = "tests/tiny-chat", "tiny-chat", "tiny-chat/1-res"
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
ASKED = "The capital of France is"
PUSHED = {"source": CHAT_SOURCE, "feature": 3, "add": 50}


@pytest.fixture(scope="module")
def chat_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A random chat model in the hub's cache, served by its name."""
    home, port = tmp_path_factory.mktemp("home"), free_port()
    with pytest.MonkeyPatch.context() as patch:
        folder = HubCache(home / "hub", patch).snapshot(CHAT)
        tiny.gpt2_folder(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    hook = "blocks.1.hook_resid_post"
    sae = tiny.sae_folder(home / "sae", "standard", hook, neuronpedia_id=CHAT_SOURCE)
    variables = {"AXON_MODEL": CHAT, "AXON_SOURCES": sae, "AXON_MAP": "off", "AXON_SLOTS": 4}
    where = {"HF_HOME": home, "HF_HUB_OFFLINE": 1, "AXON_GRPC_PORT": port, "AXON_THREADS": 1}
    with serving(**variables, **where):
        wait_until_serving(port)
        yield f"127.0.0.1:{port}"


async def answered(address: str, *edits: pb.FeatureEdit) -> list[pb.Token]:
    """The tokens of the chat's answer, as inference itself tells them."""
    request = pb.GenerateRequest(
        messages=[pb.ChatMessage(role="user", content=ASKED)],
        max_tokens=4,
        sampling=pb.SamplingOptions(temperature=0),
        branches=[pb.Branch(edits=edits)],
        alternatives=2,
    )
    async with grpc.aio.insecure_channel(address) as channel:
        told = stubs.InferenceServiceStub(channel).Generate(request)
        tokens = [token async for one in told for token in one.tokens.tokens]
    return [token for token in tokens if token.origin == pb.TOKEN_ORIGIN_GENERATED]


def text_of(tokens: list[pb.Token]) -> str:
    return "".join(token.text for token in tokens)


async def test_inspect_ai_runs_a_task_over_a_real_chat_model(
    chat_address: str, tmp_path: Path
) -> None:
    edit = pb.FeatureEdit(source=CHAT_SOURCE, feature=3, add=50)
    plain, pushed = await answered(chat_address), await answered(chat_address, edit)
    assert text_of(plain) != text_of(pushed)
    async with harness.running(settings(chat_address)) as served:
        await served.gateway.backends.check()
        for axon, want in (({}, plain), ({"edits": [PUSHED]}, pushed)):
            more = json.dumps({"axon": axon})
            told = await run("inspect_capitals.py", served.url, str(tmp_path), NAME, more)
            assert told["status"] == "success"
            assert [one.strip() for one in told["answers"]] == [text_of(want).strip()]
            assert told["scores"]["accuracy"] == ("Paris" in text_of(want))


@pytest.mark.parametrize("stream", [False, True])
async def test_the_openai_package_talks_with_a_real_chat_model(
    stream: bool, chat_address: str
) -> None:
    want = await answered(chat_address)
    async with (
        harness.running(settings(chat_address)) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client,
    ):
        asked: dict[str, Any] = {
            "model": NAME,
            "messages": [{"role": "user", "content": ASKED}],
            "max_tokens": 4,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 2,
            "extra_body": {"axon": {"feat_k": 3}},
        }
        if stream:
            chunks = [
                one async for one in await client.chat.completions.create(**asked, stream=True)
            ]
            choices = [one.choices[0] for one in chunks if one.choices]
            text = "".join(one.delta.content or "" for one in choices)
            logprobs = [
                one
                for choice in choices
                if choice.logprobs
                for one in choice.logprobs.content or ()
            ]
            frames = [(one.model_extra or {}).get("axon", {}) for one in chunks]
            tokens = [one for one in frames if one.get("type") == "token"]
        else:
            [choice] = (await client.chat.completions.create(**asked)).choices
            text, logprobs = choice.message.content, choice.logprobs.content
            tokens = choice.model_extra["axon"]["tokens"]
    assert text == text_of(want)
    assert [one.logprob for one in logprobs] == pytest.approx(
        [one.logprob for one in want], abs=1e-4
    )
    assert all(len(one.top_logprobs) == 2 for one in logprobs)
    for token, own in zip(tokens, want, strict=True):
        assert {one["source"] for one in token["features"]} == {CHAT_SOURCE}
        assert [one["id"] for one in token["features"]] == list(own.source_features[0].ids[:3])


async def test_inspect_ai_runs_a_task_over_the_chat(tmp_path: Path) -> None:
    async with FakeInference() as inference, harness.running(settings(inference.address)) as served:
        inference.chat = True
        await served.gateway.backends.check()
        for axon, answer in (
            ({}, "of France is Paris"),
            ({"edits": [EDIT]}, "of~ France~ is~ Paris~"),
        ):
            more = json.dumps({"axon": axon})
            told = await run("inspect_capitals.py", served.url, str(tmp_path), MODEL, more)
            assert told["status"] == "success"
            assert [one.strip() for one in told["answers"]] == [answer]
            assert told["scores"]["accuracy"] == 1
    first, second = inference.seen.requests
    assert [(one.role, one.content) for one in first.messages] == [
        ("user", "The capital of France is")
    ]
    assert (len(first.branches), len(second.branches[0].edits)) == (0, 1)
