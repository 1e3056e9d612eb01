"""`LabelFeed`: looks up the labels that a stream needs, and sends them after their features."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from axon_gateway import frames, metrics
from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit, Frame
from axon_gateway.labels.labels import Labels

_log = logging.getLogger(__name__)

_HITS, _MISSES = metrics.LABELS_SENT.labels("hit"), metrics.LABELS_SENT.labels("miss")


class LabelFeed:
    """Looks up labels while a stream runs.

    A source has one look-up at a time; further features wait together for the next. Features that
    only Neuronpedia's API may know are asked for one by one, beside the look-ups.
    """

    def __init__(self, labels: Labels, emit: Emit) -> None:
        self._labels = labels
        self._emit = emit
        #: Everything asked for so far, so that a frequent feature is not asked for at every token.
        self._asked: dict[str, set[int]] = {}
        self._known = _Collector(self._look_up)
        self._unknown = _Collector(self._ask)

    def want(self, features: Sequence[Frame]) -> None:
        """Asks for the labels that a token's features lack; those found go out in `labels` frames.

        Returns at once.
        """
        nameless: dict[str, set[int]] = {}
        for feature in features:
            if "label" not in feature:
                nameless.setdefault(feature["source"], set()).add(feature["id"])
        hits = len(features)
        for source, indices in nameless.items():
            unknown = self._labels.missing(source, indices)
            hits -= len(unknown)
            asked = self._asked.setdefault(source, set())
            missing = unknown - asked
            asked |= missing
            self._known.add(source, missing)
        _HITS.inc(hits)
        _MISSES.inc(len(features) - hits)

    async def settle(self, seconds: float) -> None:
        """Waits until nothing is under way, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tasks := self._known.tasks + self._unknown.tasks:
                    await asyncio.wait(tasks)

    def cancel(self) -> None:
        """Gives up what is under way."""
        for task in self._known.tasks + self._unknown.tasks:
            task.cancel()

    async def _look_up(self, source: str, wanted: set[int]) -> None:
        try:
            if found := await self._labels.look_up(source, wanted):
                await self._emit(frames.labels(source, found, self._labels.facts))
            self._unknown.add(source, self._labels.missing(source, wanted))
        except (Refusal, ConnectionError):
            # Redis fails (already logged), or the reader has left. Features that come again are
            # asked for again.
            self._asked.pop(source, None)

    async def _ask(self, source: str, wanted: set[int]) -> None:
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(self._labels.ask(source, wanted)) as answers:
                async for found in answers:
                    await self._emit(frames.labels(source, found, self._labels.facts))
        # Features without an answer are asked for again when they come again.
        self._asked.get(source, set()).difference_update(self._labels.missing(source, wanted))


class _Collector:
    """Runs `work` on features of a source; those added meanwhile are worked on together next."""

    def __init__(self, work: Callable[[str, set[int]], Awaitable[None]]) -> None:
        self._work = work
        self._wanted: dict[str, set[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The work under way."""
        return list(self._tasks.values())

    def add(self, source: str, indices: set[int]) -> None:
        """Queues these features for work. Returns at once."""
        if not indices:
            return
        self._wanted.setdefault(source, set()).update(indices)
        if source not in self._tasks:
            self._tasks[source] = asyncio.create_task(self._run(source))

    async def _run(self, source: str) -> None:
        try:
            while wanted := self._wanted.pop(source, None):
                await self._work(source, wanted)
        except Exception:
            _log.exception("looking up labels of %s failed", source)
        finally:
            # Not in a callback, which runs later: what is wanted in between would be left.
            del self._tasks[source]
