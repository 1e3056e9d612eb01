"""A model's blocks: those below a change do what they did before, so they need not run again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from axon_inference.model.network import HookPoint, LanguageModel
from axon_inference.step.batch import Row
from axon_inference.step.cache import SlotCache

# The most bytes of blocks' outputs that are kept. Beyond them all blocks run.
_MOST_BYTES = 256 << 20


class Blocks:
    """Keeps what blocks put out for one text, and lets later passes begin above them."""

    def __init__(self, model: LanguageModel, cache: SlotCache) -> None:
        self._cache = cache
        self._blocks: list[Any] = [
            model.adapter.get_component(model.network, f"blocks.{layer}")
            for layer in range(model.n_layers)
        ]
        self._kept: dict[int, list[Tensor]] = {}  # by block, parts [tokens, d_model]
        self._are_tuples = False

    def depth(self, hook: HookPoint) -> int:
        """How many of the first blocks a change at a hook point leaves as they are."""
        is_output = hook.side == "out" and hook.module is self._blocks[hook.layer]
        return hook.layer + is_output

    @contextmanager
    def noted(self, depths: Iterable[int], first: bool) -> Iterator[None]:
        """Keep what comes out of the blocks below each of these depths in the next pass, which
        reads the first part of a text or the next one."""
        if first:
            self._kept = {depth - 1: [] for depth in depths if depth}
        forwards = {block: self._noting(block) for block in self._kept}
        with self._replaced(forwards):
            yield
        size = sum(part.nbytes for parts in self._kept.values() for part in parts)
        if size > _MOST_BYTES:
            self.forget()

    def forget(self) -> None:
        """Keep nothing: all blocks run until the next text."""
        self._kept = {}

    @contextmanager
    def skipped(self, depth: int) -> Iterator[None]:
        """The next pass begins above the first `depth` blocks, with rows of the text as they were
        there. It is up to the caller that the rows are of that text."""
        if depth - 1 not in self._kept:
            yield
            return
        parts = self._kept[depth - 1]
        if len(parts) > 1:
            parts[:] = [torch.cat(parts)]
        forwards = dict.fromkeys(range(depth - 1), self._passing)
        with self._replaced({**forwards, depth - 1: self._giving(parts[0])}):
            yield

    def _noting(self, block: int) -> Callable[..., Any]:
        real = self._blocks[block].forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            output = real(*args, **kwargs)
            self._are_tuples = isinstance(output, tuple)
            self._kept[block].append((output[0] if self._are_tuples else output)[0])
            return output

        return forward

    def _giving(self, kept: Tensor) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            assert self._cache.layout is not None
            return self._output(kept[self._cache.layout.numbers[Row.POSITION]][None])

        return forward

    def _passing(self, *args: Any, **kwargs: Any) -> Any:
        return self._output(args[0] if args else kwargs["hidden_states"])

    def _output(self, vectors: Tensor) -> Any:
        return (vectors,) if self._are_tuples else vectors

    @contextmanager
    def _replaced(self, forwards: dict[int, Callable[..., Any]]) -> Iterator[None]:
        """Blocks compute by other functions; their hooks stay."""
        for block, forward in forwards.items():
            self._blocks[block].forward = forward
        try:
            yield
        finally:
            for block in forwards:
                del self._blocks[block].forward
