"""The generations under way, which end before the gateway does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from axon_gateway.errors import Refusal

if TYPE_CHECKING:
    from axon_gateway.generations.generation import Generation

_log = logging.getLogger(__name__)

#: Seconds that interrupted generations have to send their error.
_INTERRUPTED = 2.0


class Running:
    """The generations of this gateway, from their request to their last token."""

    def __init__(self) -> None:
        self._generations: set[Generation] = set()
        self._none = asyncio.Event()
        self._none.set()
        #: Why no generation may begin any more; None while they may.
        self._refusal: Refusal | None = None

    def check(self) -> None:
        """Refusal if no generation may begin any more."""
        if self._refusal is not None:
            raise self._refusal

    def add(self, generation: Generation) -> None:
        """A generation has begun."""
        self._generations.add(generation)
        self._none.clear()

    def discard(self, generation: Generation) -> None:
        """A generation has ended."""
        self._generations.discard(generation)
        if not self._generations:
            self._none.set()

    async def drain(self, seconds: float, refusal: Refusal) -> None:
        """Lets no generation begin, and ends those still running after `seconds` with `refusal`."""
        self._refusal = refusal
        if await self._end_within(seconds):
            return
        _log.info("%d generations are interrupted", len(self._generations))
        for generation in tuple(self._generations):
            generation.interrupt(refusal)
        await self._end_within(_INTERRUPTED)

    async def _end_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()
        return not self._generations
