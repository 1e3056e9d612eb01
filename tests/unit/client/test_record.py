"""`axon record`: what is written, and that a recording that was stopped goes on."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import axon
import grpc
import pyarrow.parquet as pq
import pytest
from axon import record
from axon.record import streams
from axon.record.prompts import Prompts
from axon.v1 import inference_pb2 as pb

from tests.integration.gateway.fake_inference import Failure, FakeInference, Script
from tests.patience import PATIENCE, eventually

#: Tokens that the fake makes of each prompt.
TOKENS = 3 + 4


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files, and no pause before another try."""
    monkeypatch.setattr(streams, "_TOKENS", 3 * TOKENS)
    monkeypatch.setattr(streams, "_PAUSE", 0.001)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"prompt {n}\n" for n in range(10)))
    return path


async def run(inference: FakeInference, prompts: Path, out: Path, **knobs: Any) -> record.Recording:
    """Records in this process."""
    with record.Folder(out, Prompts(prompts), knobs) as folder:
        recording = record.Recording(folder, knobs, lambda recording: None)
        await recording.run(inference.address, {}, 2)
        return recording


def rows_of(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out).to_pylist()
    return rows


def counts(out: Path) -> Counter[int]:
    return Counter(row["prompt"] for row in rows_of(out))


WHOLE = Counter(dict.fromkeys(range(10), TOKENS))


async def test_each_token_of_each_prompt_is_a_row(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    recording = await run(inference, prompts, out, max_tokens=4, alternatives=1)
    assert counts(out) == WHOLE
    assert recording.tokens == 10 * TOKENS
    assert {request.prompt for request in inference.seen.requests} == {
        f"prompt {n}" for n in range(10)
    }
    assert len(list(out.glob("part-*.parquet"))) == 4  # three prompts a file
    of_one = [row for row in rows_of(out) if row["prompt"] == 7]
    async with axon.AsyncClient(inference.address) as client:
        result = await client.generate("prompt 7", max_tokens=4, alternatives=1).result()
    assert [{"prompt": 7, **row} for row in result.to_arrow().to_pylist()] == of_one


async def test_a_recording_that_was_stopped_goes_on(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    inference.script.failure = Failure(grpc.StatusCode.DATA_LOSS, "gone")
    with pytest.raises(axon.AxonError, match="gone"):
        await run(inference, prompts, out)
    inference.script.failure = None
    done: list[int] = []
    with record.Folder(out, Prompts(prompts), {}) as folder:

        def stop_soon(recording: record.Recording) -> None:
            done.append(folder.done)
            task.cancel()

        recording = record.Recording(folder, {}, stop_soon)
        task = asyncio.create_task(recording.run(inference.address, {}, 2))
        with pytest.raises(asyncio.CancelledError):
            await task
        first = counts(out)
        assert 3 <= len(first) < 10
        assert set(first.values()) == {TOKENS}
    asked = len(inference.seen.requests)
    await run(inference, prompts, out)
    assert counts(out) == WHOLE
    assert prompts_since(asked, inference) == set(range(10)) - first.keys()
    await run(inference, prompts, out)  # there is nothing to do
    assert counts(out) == WHOLE


def prompts_since(asked: int, inference: FakeInference) -> set[int]:
    """Which prompts came after the first `asked` requests.

    A request of a run that was stopped may reach the server after its caller has gone, so that
    a prompt may come twice.
    """
    return {int(request.prompt.split()[1]) for request in inference.seen.requests[asked:]}


async def command(*arguments: str) -> asyncio.subprocess.Process:
    small = f"from axon.record import streams; streams._TOKENS = {3 * TOKENS}"
    program = f"{small}; import sys; from axon.cli import main; sys.exit(main(sys.argv[1:]))"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "record", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


class Hanging(FakeInference):
    """Takes five requests, and no further one until it goes on."""

    goes_on = False

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        if len(self.seen.requests) == 5 and not self.goes_on:
            await asyncio.Event().wait()
        async for response in super().Generate(request, context):
            yield response


async def test_a_recording_that_was_killed_goes_on(prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with Hanging() as inference:
        address = ("--address", inference.address, "--json")
        process = await command(str(prompts), "--parquet", str(out), *address, "--streams", "1")
        assert process.stderr
        told = await asyncio.wait_for(process.stderr.readline(), PATIENCE)
        assert b"axon: 3 of 10 prompts, " in told
        process.send_signal(signal.SIGKILL)
        await asyncio.wait_for(process.communicate(), PATIENCE)
        out.joinpath(".part-000001.parquet.unfinished").write_bytes(b"half a file")
        assert counts(out) == dict.fromkeys(range(3), TOKENS)
        inference.goes_on = True
        asked = len(inference.seen.requests)
        process = await command(str(prompts), "--parquet", str(out), *address)
        answer, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors
    assert json.loads(answer) == {"prompts": 10, "refused": {}, "parquet": str(out)}
    assert counts(out) == WHOLE
    assert prompts_since(asked, inference) == set(range(3, 10))
    assert not list(out.glob(".part*"))


class Holding(FakeInference):
    """Takes requests, and answers none until it goes on."""

    held = 0

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        self.held += 1
        await self.goes_on.wait()
        async for response in super().Generate(request, context):
            yield response


async def test_a_prompt_waits_for_each_of_the_slots(prompts: Path, tmp_path: Path) -> None:
    async with Holding() as inference, axon.AsyncClient(inference.address) as client:
        slots = (await client.model()).limits.slots
        with record.Folder(tmp_path / "out", Prompts(prompts), {}) as folder:
            recording = record.Recording(folder, {}, lambda recording: None)
            task = asyncio.create_task(recording.run(inference.address, {}, None))
            await eventually(lambda: inference.held == 2 * slots)
            inference.goes_on.set()
            await asyncio.wait_for(task, PATIENCE)
    assert counts(tmp_path / "out") == WHOLE


async def test_a_table_is_made_without_pandas() -> None:
    """Its import takes a second, in which no stream would be read."""
    program = (
        "import sys; from axon.notebook.tables import Rows;"
        "from axon.v1 import inference_pb2 as pb;"
        "rows = Rows(['a']); found = pb.SourceFeatures(source=0, ids=[3], activations=[0.5]);"
        "rows.add_messages([pb.Token(text='x', source_features=[found])]);"
        "assert rows.table().to_pylist()[0]['features'] == "
        "[{'source': 'a', 'feature': 3, 'activation': 0.5}]; print('pandas' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert told == b"False\n"


async def test_refused_prompts_are_told_and_not_tried_again(
    inference: FakeInference, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    why = "prompt: has 9000 characters; at most 512 are read"
    inference.script.refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, why, field="prompt")
    arguments = [str(prompts), "--parquet", str(out), "--address", inference.address]
    for _ in range(2):
        code = await asyncio.to_thread(axon_record, *arguments)
        assert code == 1
        told = capsys.readouterr().err
        assert f"10 of the prompts were refused and have no rows; prompt 0: {why}" in told
    assert len(inference.seen.requests) == 10
    assert rows_of(out) == []


def axon_record(*arguments: str) -> int:
    from axon.cli import main

    return main(["record", *arguments])


async def test_a_request_that_no_prompt_can_have_is_an_error(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    why = "max_tokens: is 9; it must be 0 to 8"
    inference.script.refusal = Failure(grpc.StatusCode.INVALID_ARGUMENT, why, field="max_tokens")
    with pytest.raises(axon.AxonError, match="max_tokens"):
        await run(inference, prompts, tmp_path / "out")
    assert len(inference.seen.requests) <= 2


async def test_a_server_that_is_full_for_a_while_is_waited_for(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    full = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full")
    inference.script.refusal = full
    task = asyncio.create_task(run(inference, prompts, tmp_path / "out"))
    await eventually(lambda: len(inference.seen.requests) > 5)
    inference.script.refusal = None
    await asyncio.wait_for(task, PATIENCE)
    assert counts(tmp_path / "out") == WHOLE


async def test_a_server_that_stays_full_is_given_up(
    inference: FakeInference, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE", 0.02)
    inference.script.refusal = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "the queue is full")
    with pytest.raises(axon.AxonError, match="the queue is full"):
        await run(inference, prompts, tmp_path / "out")


async def test_a_prompt_at_which_the_model_fails_is_refused_after_some_tries(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    inference.script.failure = Failure(grpc.StatusCode.INTERNAL, "not finite")
    recording = await run(inference, prompts, tmp_path / "out")
    assert recording.folder.refused == dict.fromkeys(range(10), "not finite")
    assert len(inference.seen.requests) == 30


@pytest.mark.parametrize("what", ["request", "prompts", "model"])
async def test_another_recording_is_not_mixed_in(
    what: str, inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    out, knobs = tmp_path / "out", {"max_tokens": 4}
    await run(inference, prompts, out, **knobs)
    if what == "request":
        knobs["max_tokens"] = 5
    elif what == "prompts":
        prompts = tmp_path / "others.txt"
        prompts.write_text("others\n" * 10)
    else:
        inference.name = "other"
    with pytest.raises(axon.AxonError, match=f"holds a recording whose {what} is .*name another"):
        await run(inference, prompts, out, **knobs)
    assert counts(out) == WHOLE


async def test_a_model_that_changes_meanwhile_is_an_error(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    with record.Folder(tmp_path / "out", Prompts(prompts), {}) as folder:

        def change(recording: record.Recording) -> None:
            inference.name = "other"

        inference.script = Script(delay=0.01)
        recording = record.Recording(folder, {}, change)
        with pytest.raises(axon.AxonError, match="the server has another model now: other with"):
            await recording.run(inference.address, {}, 1)
    assert set(counts(tmp_path / "out").values()) == {TOKENS}


def test_only_one_process_may_write(prompts: Path, tmp_path: Path) -> None:
    with (
        record.Folder(tmp_path / "out", Prompts(prompts), {}),
        pytest.raises(axon.AxonError, match="another axon record writes to"),
    ):
        record.Folder(tmp_path / "out", Prompts(prompts), {})
    record.Folder(tmp_path / "out", Prompts(prompts), {}).__exit__()


async def test_files_that_cannot_be_gone_on_with_are_named(
    inference: FakeInference, prompts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    await run(inference, prompts, out)
    part = out / "part-000001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(axon.AxonError, match=r"part-000001.parquet cannot be gone on with"):
        await run(inference, prompts, out)
    (out / "_axon.json").write_text("[")
    with pytest.raises(axon.AxonError, match=r"_axon.json is damaged"):
        await run(inference, prompts, out)
    (out / "_axon.json").unlink()
    with pytest.raises(axon.AxonError, match="a recording that another program made"):
        await run(inference, prompts, out)
    (tmp_path / "file").write_text("")
    with pytest.raises(axon.AxonError, match="file: "):
        await run(inference, prompts, tmp_path / "file")


def read(path: Path) -> Iterator[tuple[int, str]]:
    return iter(Prompts(path))


def test_prompts_are_lines_and_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("a b \r\n\n\n é\nlast".encode())
    assert list(read(path)) == [(0, "a b "), (3, " é"), (4, "last")]
    assert (Prompts(path).lines, Prompts(path).count) == (5, 3)
    lines = tmp_path / "prompts.jsonl"
    lines.write_text('"one\\ntwo"\n{"prompt": "three", "id": 3}\n')
    assert list(read(lines)) == [(0, "one\ntwo"), (1, "three")]


@pytest.mark.parametrize("line", ["{", "3", "{}", '{"prompt": 3}', "[" * 100_000, "null"])
def test_lines_that_are_no_prompt_are_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'"x"\n{line}\n')
    with pytest.raises(axon.AxonError, match=r"prompts.jsonl: line 2 is neither"):
        list(read(path))


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"x\n\xff\n")
    with pytest.raises(axon.AxonError, match=r"prompts.txt: line 2 is not UTF-8"):
        list(read(path))
    with pytest.raises(axon.AxonError, match="No such file"):
        Prompts(tmp_path / "none")
