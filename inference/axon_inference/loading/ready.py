"""From settings to a runner that is ready.

- Find: the names in the settings become folders and repositories (`catalog.py`).
- Check: the network is built without weights (`outline` in `model.py`). So the hook point, width
  and settings of every source, and the memory for all of it, are checked before gigabytes are read.
  Whether a model of the hub fits into memory is checked before its weights are downloaded.
- Download: what is missing in the cache of Hugging Face (`hub.py`). Later steps use no network.
- Load: the weights of the model and of the SAEs, whose decoder norms are folded as on Neuronpedia.
- Warm up: a first step shows that every source gets vectors, and every captured step is compared
  with the same step run eagerly (`runner.py`).
- Compare: the runner has to agree with transformers (`selfcheck.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from axon.v1 import inference_pb2 as pb
from axon_service.logs import describe

from axon_inference.catalog.hub import Want, fetch, require_network, snapshot
from axon_inference.catalog.selection import Selection, select
from axon_inference.config import Settings
from axon_inference.engine.chat import Template
from axon_inference.engine.requests import MAX_FEATURES, Features, Sampling, Served
from axon_inference.engine.scheduler import Scheduler
from axon_inference.engine.step import DeviceLost, Feed
from axon_inference.engine.text import decoder
from axon_inference.errors import Unservable
from axon_inference.loading import memory
from axon_inference.loading.container import MemoryTooSmall
from axon_inference.loading.selfcheck import SelfCheck
from axon_inference.map.mapper import Mapper
from axon_inference.model import prepack
from axon_inference.model.configuration import ModelError
from axon_inference.model.device import choose, current
from axon_inference.model.examples import Examples
from axon_inference.model.features import FeatureReader, Unembedding
from axon_inference.model.network import LanguageModel, load_weights, outline
from axon_inference.model.sources import Source, SourceError, check, load_source
from axon_inference.step.graphs import Capture, CudaCapture, GraphError
from axon_inference.step.removals import Removals
from axon_inference.step.runner import ModelRunner

_log = logging.getLogger(__name__)

# Prompt tokens that a step can read without a noticeable wait for requests that decode: on a CPU,
# on a GPU.
_PREFILL_TOKENS = (64, 512)


@dataclass(frozen=True)
class Loaded:
    """A runner, and what the rest of the service says of the model and its sources."""

    runner: ModelRunner
    reader: FeatureReader
    tokenizer: Any
    eos_ids: frozenset[int]
    served: Served
    info: pb.ModelInfo
    sources: list[pb.Source]
    slots: int
    cache_bytes: int
    prefill_tokens: int
    explainer: Removals | None = None
    mapper: Mapper | None = None


def load(
    settings: Settings, capture: Capture | None = None, report: Callable[[str], None] = _log.info
) -> Loaded:
    """Load model and sources and check that they fit.

    `capture` is how decode steps are captured; by default into CUDA graphs on a GPU. `report` is
    called with lines that say what loading is doing.

    Raises:
        Unservable: they do not fit, are damaged, or a name means nothing; the message says which.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = choose(settings.device)
    selection = select(settings.model, settings.sources)
    try:
        with current(device):
            return _load(selection, settings, device, capture, report)
    except torch.OutOfMemoryError as error:
        # Others may use a GPU too, and take its memory while we load.
        why = str(error).partition(". ")[0]
        raise MemoryTooSmall(f"{selection.id} does not fit into {device}: {why}") from error


def _load(
    selection: Selection,
    settings: Settings,
    device: torch.device,
    capture: Capture | None,
    report: Callable[[str], None],
) -> Loaded:
    model, slots, selfcheck = _load_model(selection, settings, device, report)
    sources = []
    for spec in selection.sources:
        report(f"loading source {spec}")
        sources.append(load_source(spec, model, settings.sae_dtype))
    _require_distinct(sources)
    if capture is None and model.device.type == "cuda" and settings.graphs == "auto":
        capture = CudaCapture(model.device)
    runner = ModelRunner(model, sources, slots, MAX_FEATURES, capture)
    _warm_up(runner, model)
    selfcheck.require(runner)
    unembedding = Unembedding.of(model.adapter, model.network)
    lock = threading.Lock()  # fast tokenizers refuse to be set up by two threads at once
    chat = Template.of(model.tokenizer, lock)
    return Loaded(
        runner=runner,
        reader=FeatureReader(
            unembedding,
            sources,
            model.tokenizer,
            [Examples.read(spec.folder) for spec in selection.sources],
        ),
        mapper=Mapper(settings, sources, selection.sources, unembedding, model.tokenizer),
        tokenizer=model.tokenizer,
        eos_ids=model.eos_ids,
        served=Served(
            model=model.id,
            sources=tuple(source.id for source in sources),
            context_length=model.context_length,
            vocab_size=model.vocab_size,
            bos_id=_bos(model, sources),
            encode=_encoder(model.tokenizer, lock),
            piece=lambda token_id: str(model.tokenizer.convert_ids_to_tokens(token_id)),
            text=_text_of_one(model.tokenizer),
            above=tuple(runner.tap.above()),
            chat=chat,
        ),
        info=pb.ModelInfo(
            n_layers=model.n_layers,
            d_model=model.d_model,
            vocab_size=model.vocab_size,
            device=str(model.device),
            dtype=_formats(model),
            chat=chat is not None,
        ),
        sources=[_describe(source) for source in sources],
        slots=slots,
        cache_bytes=runner.cache.nbytes,
        prefill_tokens=_prefill_tokens(settings, model.device),
        explainer=_explainer(runner, sources),
    )


def _explainer(runner: ModelRunner, sources: Sequence[Source]) -> Removals | None:
    """What removes features. That goes back in a text, and a state that layers carry cannot."""
    if runner.model.is_recurrent or all(source.not_editable for source in sources):
        return None
    return Removals(runner)


def _prefill_tokens(settings: Settings, device: torch.device) -> int:
    return settings.prefill_tokens or _PREFILL_TOKENS[device.type == "cuda"]


def _most_tokens(prefill_tokens: int, slots: int) -> int:
    """The most tokens of one step: prompts alone, or prompts beside sequences that decode."""
    return max(Scheduler.idle_prefill * prefill_tokens, prefill_tokens + slots)


def _warm_up(runner: ModelRunner, model: LanguageModel) -> None:
    try:
        runner.warm_up()
    except (Unservable, DeviceLost, GraphError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"{model.id} fails at its first step ({describe(error)}): do its weights belong to its "
            "config.json, and those of its SAEs to their cfg.json?"
        ) from error
    _require_finite_step(runner, model)


def _require_finite_step(runner: ModelRunner, model: LanguageModel) -> None:
    """Refuse a model whose weights are finite while what they compute is not."""
    wanted = Features(sources=tuple(range(len(runner.tap.sources))))
    step = runner.run([Feed(0, [0, 0], 0, Sampling(temperature=0), wanted, 0)])
    runner.free(0)
    if not all(step.finite):
        raise ModelError(
            f"the first step of {model.id} gives values that are not finite: files of the model or "
            f"of an SAE are damaged, or AXON_DTYPE={str(model.dtype).removeprefix('torch.')} is "
            "too small a type for them"
        )


def _load_model(
    selection: Selection,
    settings: Settings,
    device: torch.device,
    report: Callable[[str], None],
) -> tuple[LanguageModel, int, SelfCheck]:
    """The model, loaded only if the sources fit it and all of it fits into memory; how many slots
    there are; and the check that the model has to pass once it runs."""
    require_network(selection.wanted)
    if selection.repository:
        fetch([Want(selection.repository, weights=False)], report)
    folder = selection.folder or snapshot(selection.repository)
    empty = outline(
        selection.id,
        str(folder),
        device=str(device),
        dtype=settings.dtype,
        half=settings.weights == "float16",
        context_length=settings.context_length,
    )
    slots = memory.slots_within(settings.cache_mb * 10**6, settings.slots, empty)
    if slots < settings.slots:
        report(f"only {slots} slots fit into AXON_CACHE_MB={settings.cache_mb}")
    if selection.repository:
        # A few kilobytes are enough to know this before gigabytes are downloaded.
        memory.require(memory.need(empty, slots), empty)
    fetch(selection.wanted, report)
    sizes = [check(spec, empty, settings.sae_dtype) for spec in selection.sources]
    tokens = _most_tokens(_prefill_tokens(settings, device), slots)
    memory.require(memory.need(empty, slots, sizes, tokens), empty)
    report(f"loading model {selection.id} from {folder}")
    model = load_weights(empty, str(folder))
    selfcheck = SelfCheck(model)
    prepack.fuse(model.network)
    if kind := prepack.form(model.device, model.dtype, model.layers_dtype):
        prepack.prepack(model.network, kind)
    return model, slots, selfcheck


def _require_distinct(sources: list[Source]) -> None:
    names = [source.id for source in sources]
    if double := {name for name in names if names.count(name) > 1}:
        raise SourceError(
            f"several sources would be called {', '.join(sorted(double))}: give each an id of its "
            "own in AXON_SOURCES, with =MODEL/SOURCE after it"
        )


def _bos(model: LanguageModel, sources: list[Source]) -> int | None:
    """The BOS every prompt begins with, if the sources were trained with one."""
    wanted = {source.prepend_bos for source in sources}
    if len(wanted) > 1:
        names = ", ".join(f"{s.id}: {s.prepend_bos}" for s in sources)
        raise SourceError(
            f"the sources disagree on prepending BOS ({names}); serve them separately"
        )
    if wanted == {False}:
        return None
    if model.bos_id is None:
        raise SourceError(f"the sources want a BOS token, but {model.id}'s tokenizer has none")
    if model.bos_id >= model.vocab_size:
        raise ModelError(
            f"the BOS token of {model.id}'s tokenizer is {model.bos_id}, but the model knows those "
            f"below {model.vocab_size} only: does the tokenizer belong to it?"
        )
    return model.bos_id


def _encoder(tokenizer: Any, lock: threading.Lock) -> Callable[[str], list[int]]:
    """From a text to its ids. Names of special tokens (`<|endoftext|>`) become those tokens, as in
    TransformerLens: people compare what they see here with a notebook."""

    def encode(text: str) -> list[int]:
        with lock:
            ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
        return ids

    return encode


def _text_of_one(tokenizer: Any) -> Callable[[int], str]:
    decode = decoder(tokenizer)
    return lambda token_id: decode([token_id])


def _formats(model: LanguageModel) -> str:
    """The number format of a model's vectors and, where it is another, of its layers' weights."""
    layers = "" if model.layers_dtype == model.dtype else f", layers {model.layers_dtype}"
    return f"{model.dtype}{layers}".replace("torch.", "")


def _describe(source: Source) -> pb.Source:
    return pb.Source(
        id=source.id,
        hook_name=source.hook.name,
        layer=source.hook.layer,
        width=source.sae.width,
        architecture=source.architecture,
        neuronpedia_url=source.neuronpedia_url,
        not_editable=source.not_editable,
    )
