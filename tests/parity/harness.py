"""Runs the real engine step by step, and compares its events with a reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from axon_inference.config import Settings
from axon_inference.engine.engine import Engine
from axon_inference.engine.events import Event, Failed, Finished, Tokens
from axon_inference.engine.requests import Features, Request, Sampling
from axon_inference.engine.scheduler import Scheduler
from axon_inference.loading import ready
from axon_inference.step.graphs import Capture

from .reference import Reference


@dataclass
class Bench:
    """A loaded model; `run` steps an engine over it in the test's own thread."""

    loaded: ready.Loaded
    slots: int
    prefill_tokens: int
    events: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def load(
        cls,
        model: Path | str,
        sources: Sequence[Path | str],
        *,
        slots: int = 5,
        prefill_tokens: int = 8,
        capture: Capture | None = None,
        dtype: str = "float32",
    ) -> Bench:
        names = tuple(str(source) for source in sources)
        settings = Settings(model=str(model), sources=names, slots=slots, device="cpu", dtype=dtype)
        return cls(ready.load(settings, capture), slots, prefill_tokens)

    def run(self, requests: list[Request], steps_between: int = 0) -> list[list[Event]]:
        """All events of each request; requests are submitted `steps_between` steps apart."""
        self.events.clear()
        engine = Engine(
            runner=self.loaded.runner,
            tokenizer=self.loaded.tokenizer,
            scheduler=Scheduler(self.slots, len(requests), self.prefill_tokens),
            eos_ids=frozenset(),  # the reference does not stop at them either
            publish=lambda events: [self.events[i].append(e) for i, e in events],  # type: ignore[func-returns-value]
        )
        ids = []
        for request in requests:
            ids.append(engine.submit(request))
            for _ in range(steps_between):
                engine.step()
        while sum(engine.progress()):
            engine.step()
        return [self.events[i] for i in ids]

    def prompt_ids(self, text: str) -> list[int]:
        served = self.loaded.served
        return ([] if served.bos_id is None else [served.bos_id]) + served.encode(text)

    def request(self, text: str, max_tokens: int, sampling: Sampling | None = None) -> Request:
        """Greedy unless `sampling` is given, with all features of all sources, also at BOS."""
        return Request(
            prompt_ids=tuple(self.prompt_ids(text)),
            max_tokens=max_tokens,
            sampling=sampling or Sampling(temperature=0),
            features=Features(
                sources=tuple(range(len(self.loaded.sources))),
                top_k=max(source.width for source in self.loaded.sources),
                include_bos=True,
            ),
            has_bos=True,
        )


def assert_same(events: list[Event], expected: Reference, *, atol: float) -> None:
    """The events hold exactly the reference's tokens and, within `atol`, all its features."""
    assert not any(isinstance(event, Failed) for event in events)
    assert isinstance(events[-1], Finished)
    tokens = [token for event in events if isinstance(event, Tokens) for token in event.tokens]
    assert [token.token_id for token in tokens] == expected.ids
    assert [token.position for token in tokens] == list(range(len(expected.ids)))
    generated = [token.logprob for token in tokens if token.logprob is not None]
    torch.testing.assert_close(
        torch.tensor(generated), torch.tensor(expected.logprobs), atol=1e-4, rtol=1e-4
    )
    for position, token in enumerate(tokens):
        assert len(token.source_features) == len(expected.activations)
        for found, dense in zip(token.source_features, expected.activations, strict=True):
            want = dense[position]
            got = torch.zeros_like(want)
            got[torch.tensor(found.ids, dtype=torch.int64)] = torch.tensor(found.activations)
            # All active features and no others: an absent feature counts as 0.
            torch.testing.assert_close(got, want.clamp_min(0), atol=atol, rtol=1e-4)
            assert abs(found.l0 - int((want > 0).sum())) <= _borderline(want, atol)
            assert found.activations == sorted(found.activations, reverse=True)


def _borderline(activations: torch.Tensor, atol: float) -> int:
    """How many features are so near 0 that rounding decides whether they are active."""
    return int(((activations.abs() <= atol) & (activations != 0)).sum())
