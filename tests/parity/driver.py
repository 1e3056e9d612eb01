"""Steps the real runner over sequences, without the engine, and keeps all that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from axon_inference.engine.requests import Edit, Features, Sampling
from axon_inference.engine.step import Feed, StepResult
from axon_inference.step.runner import ModelRunner

GREEDY = Sampling(temperature=0)


@dataclass
class Driven:
    """A greedy sequence, and what steps found of it.

    By position: each source's features (ids, activations), l0 and error; what was edited, as
    (source, feature) to (before, after); and alternatives (ids, logprobs). `logprobs[p]` is that of
    the token at position p, of a prompt's tokens only with `alternatives`.
    """

    prompt: list[int]
    max_tokens: int
    edits: tuple[Edit, ...] = ()
    alternatives: int | None = None
    has_bos: bool = True
    ids: list[int] = field(default_factory=list)
    fed: int = 0
    features: list[list[tuple[np.ndarray, np.ndarray, int, float]]] = field(default_factory=list)
    edited: list[dict[tuple[int, int], tuple[float, float]]] = field(default_factory=list)
    following: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    logprobs: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = list(self.prompt)

    @property
    def decodes(self) -> bool:
        return self.fed >= len(self.prompt)

    @property
    def done(self) -> bool:
        return self.fed == len(self.prompt) + self.max_tokens

    def feed(self, slot: int, features: Features, chunk: int) -> Feed:
        end = len(self.ids) if self.decodes else min(self.fed + chunk, len(self.prompt))
        reaches_end = end == len(self.ids) and end < len(self.prompt) + self.max_tokens
        return Feed(
            slot,
            self.ids[self.fed : end],
            self.fed,
            GREEDY,
            features,
            end - len(self.prompt) if reaches_end else None,
            edits=self.edits,
            prompt_length=len(self.prompt),
            has_bos=self.has_bos,
            alternatives=self.alternatives,
            next_id=self.prompt[end] if end < len(self.prompt) else None,
        )

    def take(self, feed: Feed, index: int, result: StepResult) -> None:
        count, row = len(feed.ids), result.offsets[index]
        for position in range(row, row + count):
            self.features.append(
                [
                    (rows.ids[position], rows.activations[position], *_of(rows, position))
                    for rows in result.sources.values()
                ]
            )
            self.edited.append(
                {
                    (source, int(rows.feature[at])): (float(rows.before[at]), float(rows.after[at]))
                    for source, rows in result.edited.items()
                    for at in np.flatnonzero(rows.row == position)
                }
            )
        if feed.alternatives is not None:
            assert result.following
            first = result.following.offsets[index]
            for offset in range(count):
                at = first + offset
                best = result.following.ids[at], result.following.logprobs[at]
                self.following.append((best[0][: feed.alternatives], best[1][: feed.alternatives]))
                if not np.isnan(known := result.following.known[at]):
                    self.logprobs[self.fed + offset + 1] = float(known)
        self.fed += count
        if feed.draws is not None:
            self.logprobs[len(self.ids)] = result.logprobs[index]
            self.ids.append(result.next_ids[index])


def _of(rows: object, position: int) -> tuple[int, float]:
    return int(rows.l0[position]), float(rows.error[position])  # type: ignore[attr-defined]


def drive(
    runner: ModelRunner, sequences: Sequence[Driven], *, chunk: int = 1000, top_k: int = 10**6
) -> list[Driven]:
    """Run sequences to their ends, one slot each, with prompts in parts of at most `chunk`."""
    sources = runner.tap.sources
    top_k = min(top_k, max((source.sae.width for source in sources), default=1))
    features = Features(tuple(range(len(sources))), top_k, include_bos=True)
    for slot, sequence in enumerate(sequences):
        runner.begin(slot, sequence.prompt)
    while running := [n for n, sequence in enumerate(sequences) if not sequence.done]:
        running.sort(key=lambda n: not sequences[n].decodes)
        feeds = [sequences[n].feed(n, features, chunk) for n in running]
        result = runner.run(feeds)
        assert all(result.finite)
        for index, n in enumerate(running):
            sequences[n].take(feeds[index], index, result)
    for slot in range(len(sequences)):
        runner.free(slot)
    return list(sequences)


def dense(sequence: Driven, position: int, source: int, width: int) -> torch.Tensor:
    """All activations above 0 at a position [width]; an absent feature counts as 0."""
    ids, activations, *_ = sequence.features[position][source]
    found = torch.zeros(width)
    active = activations > 0
    found[torch.from_numpy(ids[active])] = torch.from_numpy(activations[active])
    return found
