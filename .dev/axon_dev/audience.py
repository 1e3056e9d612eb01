"""Notice that nobody is there any more to press Ctrl-C: the terminal or `make` has gone.

Signals do not tell it in every case. A terminal that runs `make` itself (ssh -t host make run)
sends its hang-up to `make` alone, which waits for us; a `make` that is killed can tell us nothing.
"""

import asyncio
import os


class Audience:
    """Who was there when the command began; make one as early as possible."""

    def __init__(self) -> None:
        self._terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def gone(self) -> bool:
        """Whether the terminal was closed, or the `make` that started us has ended."""
        if not all(os.isatty(descriptor) for descriptor in self._terminals):
            return True
        return self._make not in (None, os.getppid())

    async def wait_gone(self) -> None:
        """Return when it has gone; noticed within a second, since nothing tells of it."""
        while not self.gone():  # noqa: ASYNC110
            await asyncio.sleep(1)
