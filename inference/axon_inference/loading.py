"""From settings to a runner that is ready: the one place that knows both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from axon.v1 import inference_pb2 as pb

from .catalog import select
from .config import Settings
from .graphs import Capture, cuda_capture
from .model import LanguageModel, load_model
from .runner import ModelRunner
from .sources import Source, SourceError, load_source
from .validation import Served

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A runner, and what the rest of the service says of the model and its sources."""

    runner: ModelRunner
    tokenizer: Any
    eos_ids: frozenset[int]
    served: Served
    info: pb.ModelInfo
    sources: list[pb.Source]


def load(settings: Settings, capture: Capture | None = None) -> Loaded:
    """Load model and sources and check that they fit.

    `capture` is how decode steps are captured; by default into CUDA graphs on a GPU.

    Raises:
        ValueError: they do not fit, or a name means nothing; the message says which.
        OSError: files are missing.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    selection = select(settings.model, settings.sources)
    model = load_model(
        selection.id,
        selection.path,
        device=settings.device,
        dtype=settings.dtype,
        context_length=settings.context_length,
    )
    sources = [load_source(spec, model) for spec in selection.sources]
    if capture is None and model.device.type == "cuda" and settings.graphs == "auto":
        capture = cuda_capture()
    runner = ModelRunner(model, sources, settings.slots, capture)
    runner.warm_up()
    return Loaded(
        runner=runner,
        tokenizer=model.tokenizer,
        eos_ids=model.eos_ids,
        served=Served(
            model=model.id,
            sources=tuple(source.id for source in sources),
            context_length=model.context_length,
            vocab_size=model.vocab_size,
            bos_id=_bos(model, sources),
            encode=_encoder(model.tokenizer),
        ),
        info=_info(model),
        sources=[_describe(source) for source in sources],
    )


def _bos(model: LanguageModel, sources: list[Source]) -> int | None:
    """The BOS every prompt begins with, if the sources were trained with one."""
    wanted = {source.prepend_bos for source in sources}
    if len(wanted) > 1:
        names = ", ".join(f"{s.id}: {s.prepend_bos}" for s in sources)
        raise SourceError(f"the sources disagree on prepending BOS ({names}); serve them apart")
    if wanted == {False}:
        return None
    if model.bos_id is None:
        raise SourceError(f"the sources want a BOS token, but {model.id}'s tokenizer has none")
    return model.bos_id


def _encoder(tokenizer: Any) -> Callable[[str], list[int]]:
    # Fast tokenizers refuse to be set up by two threads at once.
    lock = threading.Lock()

    def encode(text: str) -> list[int]:
        with lock:
            ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids

    return encode


def _info(model: LanguageModel) -> pb.ModelInfo:
    return pb.ModelInfo(
        n_layers=model.n_layers,
        d_model=model.d_model,
        vocab_size=model.vocab_size,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
    )


def _describe(source: Source) -> pb.Source:
    return pb.Source(
        id=source.id,
        hook_name=source.hook.name,
        layer=source.hook.layer,
        width=source.width,
        architecture=source.architecture,
        neuronpedia_url=source.neuronpedia_url,
    )
