"""Explanations, one query at a time, over a loaded model."""

from __future__ import annotations

from collections.abc import Sequence

from axon_inference.engine.effects import Explained, Query
from axon_inference.engine.engine import Engine
from axon_inference.engine.events import Event
from axon_inference.engine.scheduler import Scheduler

from ..parity.harness import Bench


class Explaining:
    """Explains texts that begin with a BOS."""

    def __init__(self, bench: Bench) -> None:
        self._events: list[tuple[int, Event]] = []
        loaded = bench.loaded
        self.engine = Engine(
            runner=loaded.runner,
            tokenizer=loaded.tokenizer,
            scheduler=Scheduler(bench.slots, 0, loaded.prefill_tokens),
            eos_ids=frozenset(),
            publish=self._events.extend,
            explainer=loaded.explainer,
        )

    def explain(
        self, ids: Sequence[int], target: int | None, sources: Sequence[int], limit: int = 64
    ) -> Explained:
        """What made the model expect `target`, by default the likeliest, after `ids`."""
        query = Query(
            tuple(ids), target, None, tuple(sources), limit, prompt_length=len(ids), has_bos=True
        )
        self._events.clear()
        self.engine.explain(query)
        while sum(self.engine.progress()):
            self.engine.step()
        _, last = self._events[-1]
        assert isinstance(last, Explained), last
        return last
