"""A room's recording over HTTP, and `axon replay`, which plays it without a server."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from axon import recording
from axon_gateway.config import Settings

from ...patience import PATIENCE, Stopwatch
from . import harness
from .fake_inference import FakeInference, Script
from .harness import Running


async def download(gateway: Running, room: str) -> str:
    async with gateway.http.get(f"{gateway.url}/api/rooms/{room}/recording.jsonl") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Disposition"].endswith(f'"axon-{room}.jsonl"')
        return await answer.text()


async def recorded(gateway: Running) -> tuple[str, list[dict[str, Any]]]:
    """The recording of a room with one generation, and the frames that its viewer saw."""
    client = await gateway.connect()
    room = (await client.frame())["room"]
    await client.send(prompt="x")
    seen = await client.until("finished")
    return await download(gateway, room), seen


async def replay(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "axon", "replay", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(b"\n" * 20), PATIENCE)
    return process.returncode, out.decode(), err.decode()


async def test_a_recording_holds_all_frames_with_every_label(gateway: Running) -> None:
    text, seen = await recorded(gateway)
    frames = recording.load(text.splitlines())
    kept = [frame for frame in seen if frame["type"] not in ("room", "labels")]
    assert [frame["seq"] for frame in frames] == [frame["seq"] for frame in kept]
    features = 0
    maxima: dict[tuple[str, int], float] = {}
    for frame, original in zip(frames, kept, strict=True):
        for token in recording.tokens(frame):
            for feature in token["features"]:
                assert feature.pop("label") == f"label {feature['id']} of {feature['source']}"
                if (maximum := feature.pop("max", None)) is not None:
                    maxima[feature["source"], feature["id"]] = maximum
                assert maxima[feature["source"], feature["id"]] == 4.5
                features += 1
        for token in recording.tokens(original):
            for feature in token["features"]:
                feature.pop("label", None)
                feature.pop("max", None)
        assert frame == original
    assert features > 0


async def test_a_recording_of_a_running_generation_holds_what_there_is_so_far(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=(" t",) * 200, delay=0.01)
    client = await gateway.connect()
    room = (await client.frame())["room"]
    await client.send(prompt="x")
    await client.until("token")
    frames = recording.load((await download(gateway, room)).splitlines())
    assert frames[0]["type"] == "started"
    assert frames[-1]["type"] == "token"


async def test_without_redis_a_recording_has_no_labels(settings: Settings) -> None:
    settings = dataclasses.replace(settings, labels=None, redis_url="redis://127.0.0.1:1/0")
    async with harness.running(settings) as gateway:
        text, _ = await recorded(gateway)
    frames = recording.load(text.splitlines())
    features = [feature for token in recording.tokens(frames[-2]) for feature in token["features"]]
    assert features
    # The key is absent and not null, so that a label is always text.
    assert not any("label" in feature for feature in features)


async def test_a_room_that_does_not_exist_has_no_recording(gateway: Running) -> None:
    for room in ("zzzzzz", "x" * 5000, "é"):
        url = f"{gateway.url}/api/rooms/{room}/recording.jsonl"
        async with gateway.http.get(url) as answer:
            assert (answer.status, (await answer.json())["error"]) == (404, "unknown_room")


async def test_replay_prints_the_text_and_the_labels(gateway: Running, tmp_path: Path) -> None:
    text, _ = await recorded(gateway)
    file = tmp_path / "room.jsonl"
    file.write_text(text)
    code, out, err = await replay(str(file), "--speed", "0")
    assert (code, err) == (0, "")
    assert out.startswith("<bos>The capital of France is Paris\n")
    assert "+ ' of'\n    fake/0-res  21:3.00 label 21 of fake/0-res" in out
    assert "4 generated tokens, ended by length" in out
    code, out, _ = await replay(str(file), "--step")
    assert code == 0
    assert out.index("+ ' of'") < out.index("+ ' Paris'") < out.index("ended by length")
    code, out, _ = await replay(str(file), "--json", "--speed", "0")
    assert [json.loads(line)["type"] for line in out.splitlines()][-1] == "finished"


async def test_replay_refuses_files_that_are_cut_off_foreign_or_missing(
    gateway: Running, tmp_path: Path
) -> None:
    text, _ = await recorded(gateway)
    file = tmp_path / "room.jsonl"
    for content, says in (
        (text[: len(text) // 2], "line"),
        (text[: text.rindex('{"type":"end"')], "its last line is missing"),
        ("\x00\x01\x02", "line 1 is not JSON"),
    ):
        file.write_text(content)
        code, out, err = await replay(str(file))
        assert (code, out) == (1, "")
        [line] = err.splitlines()
        assert line.startswith(f"axon: {file}: it is")
        assert says in line
    code, _, err = await replay(str(tmp_path / "none"))
    assert (code, err) == (1, f"axon: {tmp_path / 'none'}: No such file or directory\n")


async def test_large_recordings_at_once_are_whole_and_do_not_delay_others(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = Script(tokens=("x" * 8000,) * 600, per_message=10)
    presenter = await gateway.connect()
    await presenter.send(prompt="x")
    frames = await presenter.until("finished")
    room = next(f["room"] for f in frames if f["type"] == "room" and f.get("room"))
    inference.script = Script(tokens=(" t",) * 3000, delay=0.01)
    other = await gateway.connect()
    await other.send(prompt="x")
    await other.until("token")
    downloads = [asyncio.create_task(download(gateway, room)) for _ in range(12)]
    longest = before = 0.0
    async with Stopwatch() as watch:
        while not all(task.done() for task in downloads):
            await other.until("token")
            longest, before = max(longest, watch.seconds - before), watch.seconds
    texts = [await task for task in downloads]
    assert len(texts[0]) > 600 * 8000
    assert set(texts) == {texts[0]}
    played = recording.load(texts[0].splitlines())
    assert [f["step"] for f in played if f["type"] == "token"] == list(range(600))
    # A busy machine may delay another room's tokens, but not by the time of all downloads.
    assert longest < 2, f"tokens of another room waited {longest:.1f} s"
