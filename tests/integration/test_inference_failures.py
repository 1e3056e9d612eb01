"""Failures of single gRPC calls: each has its status, one line in the log, and no traceback."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon_service import logs
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.patience import eventually

from .rig import Rig, serving
from .test_inference_grpc import collect

SERVICE = "/axon.v1.InferenceService"
HEALTH = "/grpc.health.v1.Health"
NOT_MESSAGES = [
    (f"{SERVICE}/Generate", b"\xff\xff\xff"),
    (f"{SERVICE}/Generate", b"\x0a\xff"),  # a prompt longer than the message
    (f"{SERVICE}/Generate", b"\x0a\x02\xc3\x28"),  # a prompt that is not UTF-8
    (f"{SERVICE}/Generate", b"\x1a\x01\xff"),  # invalid sampling options
    (f"{SERVICE}/GetModel", b"\x0a\xff"),
    (f"{SERVICE}/GetFeature", b"\x0a\x02\xc3\x28"),
    (f"{HEALTH}/Check", b"\xff\xff\xff"),
    (f"{HEALTH}/Watch", b"\xff\xff\xff"),
]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call if isinstance(call, grpc.aio.UnaryUnaryCall) else collect(call))
    return caught.value


def tracebacks(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.exc_info]


def lines(caplog: pytest.LogCaptureFixture, begin: str) -> list[str]:
    return [text for text in caplog.messages if text.startswith(begin)]


@pytest.mark.parametrize(("method", "raw"), NOT_MESSAGES)
async def test_bytes_that_are_not_a_message_are_an_invalid_argument(
    rig: Rig, caplog: pytest.LogCaptureFixture, method: str, raw: bytes
) -> None:
    error = await refusal(rig.channel.unary_unary(method)(raw))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be read" in error.details()
    assert len(lines(caplog, method)) == 1
    assert not tracebacks(caplog)


async def test_bytes_that_are_not_a_message_within_a_stream(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    call = rig.channel.stream_stream(method)()
    await call.write(b"\x3a\x00")  # list_services
    assert await call.read() != grpc.aio.EOF
    await call.write(b"\xff\xff")
    assert (await refusal(call)).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not tracebacks(caplog)


async def test_an_unexpected_exception_is_logged_once_with_its_traceback(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a reason\nof two lines")

    ready = rig.service._servicer.ready
    assert ready
    monkeypatch.setattr(ready.reader, "read", fail)
    monkeypatch.setattr(ready.engine, "submit", fail)
    for _ in range(5):
        for call in (
            rig.stub.GetFeature(pb.GetFeatureRequest(source="fake/0-res")),
            rig.stub.Generate(pb.GenerateRequest(prompt="a")),
        ):
            error = await refusal(call)
            assert error.code() == grpc.StatusCode.INTERNAL
            assert error.details() == "the server failed (RuntimeError: a reason of two lines)"
    assert len(tracebacks(caplog)) == 1
    assert len(lines(caplog, f"{SERVICE}/GetFeature failed")) == 5
    await eventually(lambda: len(lines(caplog, "generation failed")) == 5)


async def test_the_failure_of_one_request_differs_from_the_failure_of_the_engine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    died: list[str] = []
    async with serving(on_fatal=died.append) as service:
        rig = Rig(service)
        runner: Any = service._engine._runner  # type: ignore[union-attr]
        runner.explode = lambda feeds: any(ord("x") in feed.ids for feed in feeds)
        runner.refuse = lambda prompt_ids: prompt_ids[1:] == (ord("y"),)
        for prompt, why in (("x", "out of memory"), ("y", "262144 is out of bounds")):
            error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt=f"{prompt}")))
            assert error.code() == grpc.StatusCode.INTERNAL
            assert why in error.details()
            status = rpc_status.from_call(error)
            info = error_details_pb2.ErrorInfo()
            assert status.details[0].Unpack(info)
            assert (info.reason, info.domain) == ("REQUEST_FAILED", "axon")
            # The caller may hear of it before the log does.
            await eventually(
                lambda: len(lines(caplog, "generation failed: 0 prompt + 0 generated")) == 1
            )
            caplog.clear()
        runner.lost = True
        error = await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a")))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "the engine died (DeviceLost)" in error.details()
        await rig.channel.close()
    assert len(died) == 1


async def test_cancelled_calls_write_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """Calls that run, wait or are refused are cancelled at many different moments."""
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: unhandled.append(what))
    async with serving(max_queue=300) as service:
        rig = Rig(service)
        for n in range(60):
            prompt = "a" if n % 3 else ""
            request = pb.GenerateRequest(prompt=prompt, max_tokens=300)
            leaving = rig.stub.Generate(request)
            late = asyncio.create_task(refusal(rig.stub.Generate(request, timeout=n * 0.0005)))
            gone = Rig(service)
            calls = [gone.stub.Generate(request), gone.stub.GetModel(pb.GetModelRequest())]
            await asyncio.sleep(n * 0.0002)
            leaving.cancel()
            await gone.channel.close()
            assert all(call.done() for call in calls)
            await late
        await rig.until(lambda load: (load.running, load.queued) == (0, 0))
        await rig.channel.close()
    assert not unhandled
    assert not tracebacks(caplog)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_the_reason_of_a_failure_is_in_the_log(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    runner: Any = rig.service._engine._runner  # type: ignore[union-attr]
    runner.poison = lambda feed: True
    await refusal(rig.stub.Generate(pb.GenerateRequest(prompt="a")))
    [line] = lines(caplog, "generation failed")
    assert "not finite" in line
    [record] = [record for record in caplog.records if record.getMessage() == line]
    assert record.levelno == logging.ERROR
    entry = json.loads(logs.JsonFormatter().format(record))
    assert "not finite" in entry["error"]


async def test_a_long_reason_fits_into_the_metadata(rig: Rig) -> None:
    rig.service._servicer.ready = None
    rig.service.refuse("\U0001f600" * 5000)
    error = await refusal(rig.stub.GetModel(pb.GetModelRequest()))
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert error.details().startswith("\U0001f600" * 100)
