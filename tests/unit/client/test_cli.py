"""The `axon` command as users run it: as a process, with its output and exit code."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import grpc

from tests.integration.gateway.fake_inference import Failure, FakeInference, Script
from tests.integration.gateway.harness import eventually


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "axon",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def axon(*arguments: str) -> tuple[int | None, str, str]:
    process = await start(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode(), err.decode()


async def test_generate_prints_the_text_and_then_the_features(inference: FakeInference) -> None:
    code, out, _ = await axon("generate", "x", "--address", inference.address)
    assert code == 0
    text, _, table = out.partition("\n")
    assert text == "<bos>The capital of France is Paris"
    assert "+ ' of'       fake/0-res  21:3.00  22:2.00\n" in table
    assert "3 prompt + 4 generated tokens" in table


async def test_json_is_one_event_a_line(inference: FakeInference) -> None:
    code, out, _ = await axon(
        "generate", "x", "--json", "--max-tokens", "3", "--address", inference.address
    )
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds == ["started", *["tokens"] * 5, "finished"]
    assert events[1]["tokens"][1]["source_features"][0]["ids"] == [7, 8]
    assert inference.seen.requests[0].max_tokens == 3


async def test_model_lists_the_sources(inference: FakeInference) -> None:
    code, out, _ = await axon("model", "--address", inference.address)
    assert code == 0
    assert "fake/1-res  blocks.1.hook_resid_post  64 features  topk" in out
    code, out, _ = await axon("model", "--json", "--address", inference.address)
    assert json.loads(out)["info"]["n_layers"] == 2


async def test_feature_prints_its_effects_and_neighbours(inference: FakeInference) -> None:
    code, out, _ = await axon("feature", "fake/0-res", "7", "--address", inference.address)
    assert code == 0
    assert out.splitlines() == [
        "promotes    ' Paris' +1.50",
        "suppresses  ' x' -0.50",
        "neighbors   8 (0.25)",
    ]
    code, out, _ = await axon(
        "feature", "fake/0-res", "7", "--json", "--address", inference.address
    )
    assert json.loads(out)["neighbors"] == [{"index": 8, "cosine": 0.25}]


async def test_errors_are_one_line(inference: FakeInference) -> None:
    inference.script.refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, "prompt: is empty")
    code, out, err = await axon("generate", "", "--address", inference.address)
    assert (code, out, err) == (1, "", "axon: prompt: is empty\n")
    await inference.stop()
    code, out, err = await axon("model", "--connect-timeout", "0.3", "--address", inference.address)
    assert code == 1
    assert err == f"axon: no Axon server answered at {inference.address} within 0.3 s\n"


async def test_ctrl_c_cancels_without_a_traceback(inference: FakeInference) -> None:
    inference.script = Script(tokens=("a",) * 1000, delay=0.02)
    process = await start("generate", "x", "--address", inference.address)
    assert process.stdout
    await asyncio.wait_for(process.stdout.read(1), 20)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 130
    assert err.strip() == b""
    await eventually(lambda: inference.seen.running == 0)


async def test_a_closed_pipe_causes_no_error_message(inference: FakeInference) -> None:
    inference.script = Script(tokens=("a",) * 1000, delay=0.002)
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m axon generate x --json --address {inference.address} | head -n 1",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    assert json.loads(out)["type"] == "started"
    assert err == b""
