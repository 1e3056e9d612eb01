"""Whether Redis answers. A failure is logged once, and pauses further tries for a moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from redis.exceptions import RedisError

from axon_gateway.errors import Refusal

_log = logging.getLogger(__name__)

#: Seconds without another try after Redis has failed: a dead one must not cost a timeout per token.
_PAUSE = 2.0


class Link:
    """Guards every use of Redis for labels."""

    def __init__(self) -> None:
        self._retry_at = 0.0
        #: False from the first failure of Redis to the next success.
        self.available = True

    @contextlib.asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """A block that talks to Redis: its failures become refusals, and pause further tries."""
        if asyncio.get_running_loop().time() < self._retry_at:
            raise _off()
        try:
            yield
        except (RedisError, ConnectionError, TimeoutError) as error:
            self._retry_at = asyncio.get_running_loop().time() + _PAUSE
            if self.available:
                _log.warning("Redis does not answer, labels are off until it does: %s", error)
            self.available = False
            raise _off() from None
        if not self.available:
            _log.info("Redis answers again, labels are on")
        self.available = True


def _off() -> Refusal:
    return Refusal("labels_unavailable", "labels are off: Redis does not answer", None, _PAUSE)
