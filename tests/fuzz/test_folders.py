"""Damaged folders of models and SAEs: refused in one line that names them, or served correctly."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.catalog.selection import SourceSpec
from axon_inference.config import Settings
from axon_inference.loading import ready, starting
from axon_inference.model import sources
from axon_inference.model.network import LanguageModel, load_weights, outline
from axon_inference.serving.service import Service
from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz

_CONFIGS = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"]
_NUMBERS = [math.nan, math.inf, -math.inf]
_change = st.one_of(
    st.tuples(st.just("json"), mutation.edits),
    st.tuples(st.just("json"), mutation.edits),
    st.tuples(st.just("bytes"), mutation.byte_edits),
    st.tuples(st.just("tensor"), st.tuples(st.integers(0, 100), st.sampled_from(_NUMBERS))),
    st.tuples(st.just("shape"), st.integers(0, 100)),
    st.tuples(st.just("gone"), st.integers(0, 100)),
    st.tuples(st.sampled_from(["empty", "folder", "dangling", "missing"]), st.none()),
)
_of_model = st.tuples(st.sampled_from([*_CONFIGS, "model.safetensors"]), _change)
_of_sae = st.tuples(st.sampled_from(["cfg.json", "cfg.json", "sae_weights.safetensors"]), _change)


def damaged(folder: Path, good: Path, drawn: tuple[str, tuple[str, Any]]) -> None:
    """A copy of a folder with one file damaged."""
    name, (how, value) = drawn
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    path = folder / name
    if how == "bytes" or (how == "json" and name.endswith("safetensors")):
        edits = value if how == "bytes" else [(8, "cut", b"x")]
        path.write_bytes(mutation.bytes_edited(path.read_bytes(), edits))
    elif how == "json":
        path.write_text(json.dumps(mutation.edited(json.loads(path.read_text()), value)))
    elif how in ("tensor", "shape", "gone"):
        _change_tensor(next(folder.glob("*.safetensors")), how, value)
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if how == "folder":
            path.mkdir()
        elif how == "dangling":
            path.symlink_to(folder / "nowhere")


def _change_tensor(path: Path, how: str, value: Any) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    number = value[0] if how == "tensor" else value
    name = sorted(tensors)[number % len(tensors)]
    if how == "tensor":
        tensors[name].view(-1)[number % tensors[name].numel()] = value[1]
    elif how == "shape":
        tensors[name] = tensors[name][..., :-1].contiguous()
    else:
        del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})


def _finite(folder: Path) -> bool:
    """Whether all weights are finite; one that is finite but too large is noticed only in use."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(next(folder.glob("*.safetensors"))).values()
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _ours(error: Exception, folder: Path) -> None:
    """Checks that the error is ours, or the system's about a file, and names what is damaged."""
    assert type(error).__module__.startswith("axon_inference") or isinstance(error, OSError), error
    assert folder.name in str(error) or any(path.name in str(error) for path in folder.iterdir())


@pytest.fixture(scope="module")
def served(tiny_model: tuple[Path, Path]) -> LanguageModel:
    folder = str(tiny_model[0])
    return load_weights(outline("tiny", folder, device="cpu", dtype="float32"), folder)


@fuzz(_of_sae, share=0.9)
def test_an_sae_is_refused_or_all_its_weights_are_finite(
    served: LanguageModel, tiny_model: tuple[Path, Path], tmp_path: Path, drawn: Any
) -> None:
    folder = tmp_path / "damaged-sae"
    damaged(folder, tiny_model[1], drawn)
    spec = SourceSpec(folder=folder)
    try:
        sources.check(spec, served)
        source = sources.load_source(spec, served)
    except Exception as error:
        _ours(error, folder)
        return
    assert source.sae.width == 128
    assert _finite(folder)


@fuzz(_of_model, share=0.1)
def test_a_model_is_refused_in_one_line_or_generates(
    tiny_model: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, drawn: Any
) -> None:
    folder = tmp_path / "damaged-model"
    damaged(folder, tiny_model[0], drawn)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        asyncio.run(_bring_up(folder, tiny_model[1]))
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    for record in told:
        message = record.getMessage()
        assert not record.exc_info, (message, record.exc_info)
        assert "\n" not in message
        if "values that are not finite for this request" in message and _finite(folder):
            continue  # a changed exponent can give a finite weight with which some prompts overflow
        names = [folder.name, *(path.name for path in folder.iterdir())]
        assert any(name in message for name in names), message
    assert len(told) <= 1, [record.getMessage() for record in told]


async def _bring_up(model: Path, sae: Path) -> None:
    """Loads the model as the service does, and generates if the service is ready."""
    settings = Settings(model=str(model), sources=(str(sae),), device="cpu", port=0, slots=2)
    service = Service(settings, on_fatal=pytest.fail, load=ready.load)
    try:
        await starting.bring_up(service, wait=False)
    except starting.CannotServe:
        return
    await service.listen()
    try:
        await _generates(service.port, model)
    finally:
        await service.drain()


async def _generates(port: int, model: Path) -> None:
    import grpc
    from axon.v1 import inference_pb2_grpc as pb_grpc

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = pb_grpc.InferenceServiceStub(channel)
        request = pb.GenerateRequest(prompt="the", max_tokens=2)
        try:
            found = [response async for response in stub.Generate(request, timeout=20)]
        except grpc.RpcError as error:
            # The damaged tokenizer may give ids that the model has no rows for.
            invalid = error.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
            if not (invalid or _finite(model)):
                raise
        else:
            assert found[-1].WhichOneof("event") == "finished"
