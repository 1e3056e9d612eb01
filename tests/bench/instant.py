"""`python -m tests.bench.instant`: the inference service without a model.

Its runner answers at once, from arrays made once, so what a token costs is Python's and gRPC's
share. Port, slots and the rest are set by the service's own variables.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from axon.v1 import inference_pb2 as pb
from axon_inference.config import BUNDLED_MODEL, Settings
from axon_inference.engine.requests import Served
from axon_inference.engine.step import Feed, SourceRows, StepResult
from axon_inference.loading.ready import Loaded
from axon_inference.serving.service import Service
from tokenizers import Tokenizer

SOURCE = "bench/8-res"
FEATURES = 15
#: How many different features occur.
MET = 2_000
WIDTH = 24_576
_CONTEXT = 1 << 20
#: Tokens of a step, and different steps.
_ROWS = 4_096
_TEXT = "Once upon a time there was a little fox who lived in the forest with all of her friends."


class InstantRunner:
    """Goes round in a text; its features are random and the same for all steps."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._next = list(ids) * (_ROWS // len(ids) + 1)
        self._round, self._step = len(ids), 0
        numbers = np.random.default_rng(1)
        choose = random.Random(2)
        self._ids = np.array([choose.sample(range(MET), FEATURES) for _ in range(_ROWS)])
        self._activations = np.sort(
            numbers.uniform(0.5, 30, (_ROWS, FEATURES)).astype(np.float32), axis=1
        )[:, ::-1].copy()
        self._l0 = numbers.integers(FEATURES, 90, _ROWS)
        self._error = numbers.uniform(0.05, 0.3, _ROWS).astype(np.float32)
        self._logprobs = [-choose.random() for _ in range(_ROWS)]
        self._finite = [True] * _ROWS

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        """Nothing to do."""

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        """The next words of the text."""
        self._step = (self._step + 1) % self._round
        n, offsets, rows = len(feeds), [], 0
        for feed in feeds:
            offsets.append(rows)
            rows += len(feed.ids)
        found = (a[:rows] for a in (self._ids, self._activations, self._l0, self._error))
        return StepResult(
            next_ids=self._next[self._step : self._step + n],
            logprobs=self._logprobs[:n],
            finite=self._finite[:n],
            offsets=offsets,
            sources={0: SourceRows(*found)},
        )

    def swap(self, first: int, second: int) -> None:
        """Nothing to do."""

    def free(self, slot: int) -> None:
        """Nothing to do."""


class _Wrapped:
    """The tokenizer as transformers wraps it."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.backend_tokenizer = tokenizer


def load(settings: Settings) -> Loaded:
    """Stands in for loading a model."""
    tokenizer = Tokenizer.from_file(str(BUNDLED_MODEL / "model" / "tokenizer.json"))

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    wrapped: Any = _Wrapped(tokenizer)
    runner: Any = InstantRunner(encode(_TEXT))
    reader: Any = None
    return Loaded(
        runner=runner,
        reader=reader,
        tokenizer=wrapped,
        eos_ids=frozenset(),
        served=Served("bench", (SOURCE,), _CONTEXT, tokenizer.get_vocab_size(), None, encode),
        info=pb.ModelInfo(n_layers=1, d_model=8, vocab_size=tokenizer.get_vocab_size()),
        slots=settings.slots,
        cache_bytes=0,
        prefill_tokens=256,
        sources=[pb.Source(id=SOURCE, hook_name="blocks.8.hook_resid_pre", layer=8, width=WIDTH)],
    )


async def main() -> None:
    """Serve until the process is ended."""
    service = Service(Settings.from_environment(os.environ), on_fatal=print, load=load)
    await service.listen()
    await service.load()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
