"""Loads the model, or does what AXON_ON_FAILURE says if that cannot be done.

At a terminal, the process should end. Under a restart policy it would be started again at once, for
ever. There it should stay, unhealthy, and tell callers why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from axon_inference.errors import Passing

_log = logging.getLogger(__name__)

#: Seconds until the second try; the delay doubles after each try, up to the longest.
_FIRST_DELAY = 5.0
_LONGEST_DELAY = 300.0


class CannotServe(Exception):
    """The model cannot be loaded; the log says why."""


class Loader(Protocol):
    """What this needs of `service.Service`."""

    async def load(self) -> None:
        """Load the model, and serve it."""

    def refuse(self, reason: str) -> None:
        """Tell `reason` to all who call."""


async def bring_up(
    service: Loader, *, wait: bool, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Load the model. With `wait`, try again while that may help, and return even if it never can.

    Raises:
        CannotServe: it cannot be loaded, and `wait` is not set.
    """
    delay = _FIRST_DELAY
    while True:
        try:
            await service.load()
            return
        except Exception as error:
            again = wait and isinstance(error, Passing)
            after = f"; trying again in {delay:.0f} s" if again else ""
            reason = _reason(error)
            unforeseen = None if isinstance(error, (ValueError, OSError)) else error
            _log.error("cannot serve: %s%s", reason, after, exc_info=unforeseen)
        if not wait:
            raise CannotServe(reason)
        service.refuse(f"cannot serve: {reason}")
        if not again:
            return
        await sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY)


def _reason(error: Exception) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError)):
        return text
    return f"{type(error).__name__}: {text}"
