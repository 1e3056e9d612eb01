"""Detect that the terminal or `make` has ended, so that nobody can press Ctrl-C any more.

A signal does not always arrive. When the terminal runs `make` directly (ssh -t host make run), the
hang-up signal goes to `make` alone, which keeps waiting for us. A killed `make` sends no signal.
"""

import asyncio
import os


class Audience:
    """The terminal and the `make` at the start of the command; create it as early as possible."""

    def __init__(self) -> None:
        self._terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]
        self._make = os.getppid() if "MAKELEVEL" in os.environ else None

    def gone(self) -> bool:
        """Whether the terminal was closed, or the `make` that started us has ended."""
        if not all(os.isatty(descriptor) for descriptor in self._terminals):
            return True
        return self._make not in (None, os.getppid())

    async def wait_gone(self) -> None:
        """Return when it has gone. Nothing announces that, so this looks once a second."""
        while not self.gone():  # noqa: ASYNC110
            await asyncio.sleep(1)
