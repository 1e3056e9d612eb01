"""`python -m axon_inference` as a user or a supervisor sees it: lines on stderr, exit codes."""

from __future__ import annotations

import math
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from axon.v1 import inference_pb2 as pb
from axon.v1 import inference_pb2_grpc as pb_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from safetensors.torch import load_file, save_file

from .. import tiny
from ..ports import free_port
from .process import START_SECONDS, end, forked, healthcheck, serving, wait_until_serving

# The first process waits until torch, transformers and SAELens are imported.
pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.gpt2_folder(tmp_path_factory.mktemp("model"))


def test_help_lists_the_variables() -> None:
    command = [sys.executable, "-m", "axon_inference", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "AXON_SOURCES" in done.stdout


def test_a_bad_setting_is_one_line() -> None:
    with serving(AXON_GRPC_PORT="high") as process:
        code, errors = end(process)
    assert code == 1
    assert len(errors.splitlines()) == 1
    assert "AXON_GRPC_PORT" in errors


def test_a_port_in_use_is_refused_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serving(AXON_GRPC_PORT=taken.getsockname()[1]) as process:
            code, errors = end(process)
    assert code == 1
    assert "AXON_GRPC_PORT" in errors.splitlines()[-1]
    assert "loading" not in errors


def test_an_sae_that_does_not_fit_is_refused_with_the_reason(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre", d_in=48)
    port = free_port()
    with forked(AXON_MODEL=model, AXON_SOURCES=sae, AXON_GRPC_PORT=port) as process:
        code, errors = end(process)
    assert code == 1
    assert "trained on another model" in errors.splitlines()[-1]
    assert "Traceback" not in errors


def test_damaged_files_are_refused_in_one_line(model: Path, tmp_path: Path) -> None:
    """The last line of the log; the lines before say what was being read."""
    shutil.copytree(model, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(weights).items()}
    next(iter(tensors.values())).view(-1)[0] = math.nan
    save_file(tensors, weights, metadata={"format": "pt"})
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_pre")
    settings = {"AXON_SOURCES": sae, "AXON_GRPC_PORT": free_port()}
    with forked(AXON_MODEL=tmp_path / "model", **settings) as process:
        code, errors = end(process)
    assert code == 1
    *before, last = errors.splitlines()
    assert f"cannot serve: {weights}: values of the tensor" in last
    assert all(" INFO " in line for line in before)


def test_with_on_failure_wait_it_keeps_running_and_says_why() -> None:
    settings = {"AXON_MODEL": "nonsense", "AXON_GRPC_PORT": free_port(), "AXON_ON_FAILURE": "wait"}
    with forked(**settings) as process:
        line = next(line for line in process.stderr if "ERROR" in line)
        assert "cannot serve: AXON_MODEL='nonsense' is neither a preset" in line
        with grpc.insecure_channel(f"127.0.0.1:{settings['AXON_GRPC_PORT']}") as channel:
            stub: Any = pb_grpc.InferenceServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetModel(pb.GetModelRequest(), timeout=10)
        code, health = healthcheck(**settings)
        process.terminate()
        ended, errors = end(process)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "cannot serve: AXON_MODEL='nonsense'" in refused.value.details()
    assert (code, "cannot serve: AXON_MODEL='nonsense'" in health) == (1, True)
    assert (ended, errors) == (0, "")


@pytest.mark.parametrize(
    ("variables", "hint"),
    [
        ({"AXON_SLOTS": "many"}, "AXON_SLOTS"),
        ({"AXON_GRPC_TLS_CERT": "/nowhere", "AXON_GRPC_TLS_KEY": "/nowhere"}, "AXON_GRPC_TLS_KEY"),
    ],
)
def test_with_on_failure_wait_a_bad_setting_does_not_end_it(
    variables: dict[str, str], hint: str
) -> None:
    with serving(AXON_ON_FAILURE="wait", AXON_GRPC_PORT=free_port(), **variables) as process:
        assert process.stderr
        assert hint in process.stderr.readline()
        assert healthcheck(**variables)[0] == 1
        assert process.poll() is None
        process.terminate()
        assert end(process) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre")
    port = free_port()
    with forked(AXON_MODEL=model, AXON_SOURCES=sae, AXON_GRPC_PORT=port) as process:
        wait_until_serving(port)
        process.send_signal(number)
        code, errors = end(process)
    assert code == 0
    assert "Traceback" not in errors


def test_a_signal_while_loading_ends_it_at_once(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre")
    port = free_port()
    with serving(AXON_MODEL=model, AXON_SOURCES=sae, AXON_GRPC_PORT=port) as process:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            request = health_pb2.HealthCheckRequest()
            stub = health_pb2_grpc.HealthStub(channel)
            stub.Check(request, wait_for_ready=True, timeout=START_SECONDS)
        process.send_signal(signal.SIGTERM)
        code, errors = end(process)
    assert code == 0
    assert ": serving " not in errors
    assert "Traceback" not in errors


# The device is lost as soon as a step starts beyond position 10.
LOSES_ITS_DEVICE = """
from axon_inference.step import runner
run = runner.ModelRunner.run
def lose(self, feeds):
    if feeds[0].start > 10:
        raise runner.DeviceLost("uncorrectable memory error")
    return run(self, feeds)
runner.ModelRunner.run = lose
"""


def test_a_lost_device_ends_the_streams_and_the_process(model: Path, tmp_path: Path) -> None:
    sae = tiny.sae_folder(tmp_path, "standard", "blocks.1.hook_resid_pre")
    port = free_port()
    settings = {"AXON_MODEL": model, "AXON_SOURCES": sae, "AXON_GRPC_PORT": port}
    with forked(LOSES_ITS_DEVICE, **settings) as process:
        wait_until_serving(port)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = pb_grpc.InferenceServiceStub(channel)
            # Greedy, since a random token could end the generation before the device is lost.
            sampling = pb.SamplingOptions(temperature=0)
            request = pb.GenerateRequest(prompt="a" * 20, max_tokens=40, sampling=sampling)
            with pytest.raises(grpc.RpcError) as failure:
                list(stub.Generate(request, timeout=60))
        code, errors = end(process)
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "uncorrectable memory error" in failure.value.details()
    assert code == 1
    assert "the engine died: DeviceLost('uncorrectable memory error')" in errors
