"""One Redis, one fake inference service, one gateway and one tiny model for all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import tiny
from ..integration.gateway import harness
from ..integration.gateway.fake_inference import SOURCES, WIDTH
from ..patience import wait_for_port
from . import subjects
from .subjects import Gateway, ModelServer

#: A special token whose id is the first beyond the vocabulary, as in Gemma 3.
BEYOND = "<image_soft_token>"


@pytest.fixture(scope="package")
def redis_url() -> Iterator[str]:
    """A running Redis."""
    with harness.redis_server() as server:
        yield server.url


@pytest.fixture(scope="package")
def inference() -> Iterator[str]:
    """The target of the fake inference service."""
    with subjects.fake_inference() as target:
        yield target


@pytest.fixture(scope="package")
def gateway_process(
    redis_url: str, inference: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway that all kinds share."""
    folder = tmp_path_factory.mktemp("gateway")
    for source in SOURCES:
        labels = {index: f"label {index} of {source}" for index in range(WIDTH)}
        harness.write_labels(folder / "labels", source, labels)
    (folder / "page").mkdir()
    (folder / "page" / "index.html").write_text("<!doctype html><title>Axon</title>")
    gateway = Gateway(
        folder,
        AXON_PAGE=folder / "page",
        AXON_INFERENCE=inference,
        AXON_REDIS_URL=redis_url,
        AXON_LABELS=folder / "labels",
        AXON_NEURONPEDIA_EXPORT="",
        AXON_NEURONPEDIA_API="",
        AXON_CLIENT_GENERATIONS=1000,
        AXON_IDLE_TIMEOUT=5,
        AXON_ROOM_IDLE=2,
        AXON_ROOM_GRACE=1,
    )
    try:
        wait_for_port(gateway.port)
        yield gateway
    finally:
        gateway.end()


@pytest.fixture
def gateway(gateway_process: Gateway) -> Iterator[Gateway]:
    """The shared gateway. It must answer others during the test, and work as before afterwards."""
    gateway_process.new_log()
    with subjects.never_stalled(gateway_process):
        yield gateway_process
    gateway_process.check()


@pytest.fixture(scope="package")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of a model whose tokenizer has a token beyond the vocabulary, and of an SAE."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("model")
    model = tiny.gpt2_folder(folder / "model", n_layers=1)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"additional_special_tokens": [BEYOND]})
    tokenizer.save_pretrained(model)
    return model, tiny.sae_folder(folder / "sae", "jumprelu", "blocks.0.hook_resid_pre")


@pytest.fixture(scope="package")
def model_process(tiny_model: tuple[Path, Path]) -> Iterator[ModelServer]:
    """The model server that all kinds share."""
    with ModelServer(*tiny_model) as server:
        yield server


@pytest.fixture
def model(model_process: ModelServer) -> Iterator[ModelServer]:
    """The shared model server. It must work as before after the test."""
    yield model_process
    model_process.check()
