"""Evaluation tools, unmodified, against the gateway. `make evals` installs them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axon import Client
from axon_dev.install import EVALS
from axon_gateway.config import Settings
from axon_inference.config import BUNDLED_MODEL

from ..integration.gateway import harness
from ..integration.gateway.fake_inference import MODEL, SOURCES, FakeInference
from ..integration.process import forked, wait_until_serving
from ..ports import free_port

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
