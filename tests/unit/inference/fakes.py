"""A runner and a tokenizer without a model, for tests that take milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from axon_inference.engine.effects import Active, Measured, Reading, Trial
from axon_inference.engine.step import (
    Alternative,
    DeviceLost,
    EditedRows,
    Feed,
    Following,
    SourceRows,
    StageTimes,
    StepResult,
)


class ByteTokenizer:
    """A token is a byte, so that most characters beyond ASCII span several tokens."""

    def decode(
        self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        return bytes(ids).decode("utf-8", errors="replace")

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """The id of a byte written as in Llama's tokenizer, such as <0x41>."""
        return int(token[3:5], 16) if token.startswith("<0x") else None


class FakeRunner:
    """Keeps a list of the tokens fed to each slot, and continues it by the test's rule.

    `continuation(tokens)` gives the next id after the tokens of a slot. Each token has one feature.
    Its id is the token's id and its activation is the token's position, so that a test can check
    whether a token carries its own features. An edit of the source changes nothing but is told,
    with its value as the activation after it, wherever it applies. After a token t come, if that is
    asked, t + 1, t + 2, ... with the log-probabilities -1, -2, ..., and what follows has -t.
    """

    def __init__(self, continuation: Callable[[list[int]], int], slots: int) -> None:
        self.continuation = continuation
        self.rows: list[list[int]] = [[] for _ in range(slots)]
        self.steps: list[list[Feed]] = []
        self.copies: list[tuple[int, int]] = []
        self.poison: Callable[[Feed], bool] = lambda feed: False
        self.explode: Callable[[Sequence[Feed]], bool] = lambda feeds: False
        self.lost = False
        self.refuse: Callable[[Sequence[int]], bool] = lambda prompt_ids: False

    def begin(self, slot: int, prompt_ids: Sequence[int]) -> None:
        assert self.rows[slot] == [], "a slot was given to two requests"
        if self.refuse(prompt_ids):
            raise IndexError("index 262144 is out of bounds")

    def run(self, feeds: Sequence[Feed]) -> StepResult:
        self.steps.append(list(feeds))
        if self.lost:
            raise DeviceLost
        if self.explode(feeds):
            raise RuntimeError("out of memory")
        for feed in feeds:
            assert len(self.rows[feed.slot]) == feed.start, "fed at the wrong position"
            self.rows[feed.slot] += feed.ids
        fed = [(i, feed.start + p) for feed in feeds for p, i in enumerate(feed.ids)]
        counts = [len(feed.ids) for feed in feeds]
        return StepResult(
            next_ids=[self.continuation(self.rows[feed.slot]) for feed in feeds],
            logprobs=[-0.5] * len(feeds),
            finite=[not self.poison(feed) for feed in feeds],
            offsets=[sum(counts[:n]) for n in range(len(counts))],
            sources={
                0: SourceRows(
                    ids=np.array([[token] for token, _ in fed]),
                    activations=np.array([[p] for _, p in fed], dtype=np.float32),
                    l0=np.ones(len(fed), dtype=np.int64),
                    error=np.zeros(len(fed), dtype=np.float32),
                )
            },
            edited=_edited(feeds),
            following=_following(feeds),
            times=StageTimes(1, 1, 1),
        )

    def swap(self, first: int, second: int) -> None:
        self.rows[first], self.rows[second] = self.rows[second], self.rows[first]

    def copy(self, source: int, target: int) -> None:
        assert self.rows[target] == [], "a slot that is in use was written over"
        self.rows[target] = list(self.rows[source])
        self.copies.append((source, target))

    def free(self, slot: int) -> None:
        self.rows[slot] = []


def _edited(feeds: Sequence[Feed]) -> dict[int, EditedRows]:
    positions = [(feed, feed.start + p) for feed in feeds for p in range(len(feed.ids))]
    found = [
        (row, edit.feature, edit.value)
        for row, (feed, position) in enumerate(positions)
        for edit in feed.edits
        if position in edit.positions(feed.prompt_length, feed.has_bos)
    ]
    if not found:
        return {}
    row, feature, value = (np.array(column) for column in zip(*found, strict=True))
    after = value.astype(np.float32)
    return {0: EditedRows(row, feature, np.zeros_like(after), after)}


def _following(feeds: Sequence[Feed]) -> Following | None:
    asking = [feed for feed in feeds if feed.alternatives is not None]
    if not asking:
        return None
    n = max(feed.alternatives or 0 for feed in asking)
    offsets, row = [], 0
    for feed in feeds:
        offsets.append(row if feed.alternatives is not None else -1)
        row += len(feed.ids) * (feed.alternatives is not None)
    known: list[float] = []
    for feed in asking:
        known += [-token for token in feed.ids[:-1]]
        known.append(np.nan if feed.next_id is None else -feed.ids[-1])
    ids = np.array([token for feed in asking for token in feed.ids], dtype=np.int64)
    return Following(
        offsets,
        ids[:, None] + np.arange(1, n + 1),
        np.tile(-np.arange(1, n + 1, dtype=np.float32), (len(ids), 1)),
        np.array(known, dtype=np.float32),
    )


class FakeExplainer:
    """Explains texts of a `FakeRunner`, in whose slots it keeps what it reads.

    Each token is active at its position: its id is the feature, and its activation the position +
    1. The likeliest next tokens are 7 and 8, with log-probabilities -1 and -2. A removal lowers the
    first by what it takes away, and the gradient says so.
    """

    depths: Sequence[int] = (0,)

    def __init__(self, runner: FakeRunner) -> None:
        self.rows = runner.rows
        self.steps: list[str] = []
        self._estimated_from = -1
        self.explode: Callable[[str], bool] = lambda step: False
        self.lost = self.poison = False

    def _note(self, step: str) -> None:
        self.steps.append(step)
        if self.lost:
            raise DeviceLost
        if self.explode(step):
            raise RuntimeError("out of memory")

    def _write(self, feed: Feed) -> None:
        rows = self.rows[feed.slot]
        assert len(rows) >= feed.start, "fed behind a gap"
        rows[feed.start :] = feed.ids

    def read(self, feed: Feed, sources: Sequence[int], asked: Sequence[int]) -> Reading:
        self._note("read")
        self._write(feed)
        positions = np.arange(feed.start, feed.start + len(feed.ids) if sources else feed.start)
        active = Active(
            positions,
            np.zeros_like(positions),
            np.array(feed.ids, dtype=np.int64)[: len(positions)],
            (positions + 1).astype(np.float32),
        )
        known = {7: -1.0, 8: -2.0}
        told = [Alternative(token, known.get(token, -3.0)) for token in asked]
        return Reading(active, not self.poison, [Alternative(*one) for one in known.items()], told)

    def estimate(self, feed: Feed, active: Active, target: int, rival: int) -> np.ndarray:
        self._note("estimate")
        assert len(self.rows[feed.slot]) >= feed.start, "nothing to go back to"
        end = feed.start + len(feed.ids)
        last = end if feed.draws is not None else self._estimated_from
        assert end == last, "a part is left out"
        self._estimated_from = feed.start
        assert ((active.position >= feed.start) & (active.position < end)).all()
        return -active.activation

    def measure(
        self, trials: Sequence[Trial], tokens: tuple[int, int], watched: tuple[int, int] | None
    ) -> Measured:
        self._note("measure")
        for trial in trials:
            self._write(trial.feed)
        ended = [trial for trial in trials if trial.feed.draws is not None]
        found = [(-1.0 - sum(trial.activations), -2.0) for trial in ended]
        return Measured(np.array(found, dtype=np.float32).reshape(-1, 2), Active.joined([]))

    def share(self, slot: int, slots: Sequence[int], length: int) -> None:
        assert len(self.rows[slot]) >= length, "nothing to share"
        for other in slots:
            self.rows[other] = self.rows[slot][:length]

    def free(self, slot: int) -> None:
        self.rows[slot] = []

    def forget(self) -> None:
        """It keeps nothing."""
