"""The `axon` command as users run it: as a process, with its output and exit code."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import grpc

from tests.integration.gateway.fake_inference import Failure, FakeInference, Script
from tests.patience import PATIENCE, eventually


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
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
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
        "kin         fake/1-res/7 (0.50, mutual)",
        "      2.50  The[ capital]",
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
    await asyncio.wait_for(process.stdout.read(1), PATIENCE)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE)
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
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert json.loads(out)["type"] == "started"
    assert err == b""


async def test_a_twin_is_shown_side_by_side(inference: FakeInference) -> None:
    inference.script = Script(tokens=(" a", " b", " c"), ends={1: 2})
    code, out, err = await axon(
        *("generate", "x", "--edit", "fake/0-res/21 swap 5", "--twin", "--pace", "1000"),
        *("--alternatives", "1", "--address", inference.address),
    )
    assert (code, err) == (0, "")
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:6] == [
        "<bos>The capital",
        "",
        "  as is                  edited",
        "* ' a'                   ' a~'",
        "* ' b'                   ' b~'",
        "* ' c'",
    ]
    assert lines[7:9] == ["as is", "<bos>The capital a b c"]
    at = lines.index("edited: fake/0-res/21 swap 5")
    assert lines[at + 1] == "<bos>The capital a~ b~"
    assert "+ ' a~'       fake/0-res  5:3.00 (was 0.00)  22:2.00  21:0.00 (was 3.00)" in lines
    assert "              next  ' a0' 60.7%" in lines
    [request] = inference.seen.requests
    assert [branch.name for branch in request.branches] == ["as is", "edited"]
    assert (request.pace, request.alternatives) == (1000, 1)


async def test_an_edit_alone_is_one_text(inference: FakeInference) -> None:
    code, out, _ = await axon(
        *("generate", "x", "--edit", "fake/0-res/21 silence", "--address", inference.address)
    )
    assert code == 0
    assert out.startswith("<bos>The capital of~ France~ is~ Paris~\n")


async def test_json_has_the_branches_and_their_ends(inference: FakeInference) -> None:
    inference.script = Script(ends={1: 2})
    code, out, _ = await axon(
        *("generate", "x", "--json", "--edit", "fake/0-res/21 add 2", "--twin"),
        *("--address", inference.address),
    )
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    [edit] = events[0]["branches"][1]["edits"]
    assert (edit["add"], edit["where"]) == (2, "everywhere")
    ended = {"type": "branch_ended", "branch": 1, "reason": "stop", "generated_tokens": 2}
    assert ended in events


async def test_a_wrong_edit_is_explained(inference: FakeInference) -> None:
    address = ("--address", inference.address)
    code, _, err = await axon("generate", "x", "--edit", "fake/0-res/21 swp 5", *address)
    assert code == 2
    assert "argument --edit: 'swp' is not known; there are set V" in err
    code, _, err = await axon("generate", "x", "--edit", "fake/0-res/64 silence", *address)
    assert (code, err) == (1, "axon: branches[0].edits[0].feature is 64; it must be 0 to 63\n")
    code, _, err = await axon("generate", "x", "--twin", *address)
    assert (code, err) == (1, "axon: --twin shows what an edit changes: add --edit\n")
