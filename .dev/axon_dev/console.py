"""Output for the developer: plain lines, a progress line, and the text of a problem."""

import os
import sys
import time
from pathlib import Path


class Problem(Exception):
    """Something the developer can fix; its text says what is wrong and what to do."""


def say(text: str = "") -> None:
    """Print a line at once; on a terminal that has been closed, do nothing."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (open until the process ends)


class Progress:
    """One line that names the running step and its duration.

    On a terminal the line is rewritten in place. Elsewhere, such as in a log file, a new line is
    written every `every` seconds.
    """

    def __init__(self, title: str, every: float = 15.0) -> None:
        self._title = title
        self._every = every
        self._started = self._shown = time.monotonic()
        self._live = sys.stdout.isatty()
        if not self._live:
            say(f"{title} ...")

    def show(self, note: str) -> None:
        """Show `note` beside the title and the seconds passed."""
        now = time.monotonic()
        line = f"{self._title} ... {note} ({now - self._started:.0f} s)"
        if self._live:
            columns = os.get_terminal_size().columns if sys.stdout.isatty() else 80
            self._write(f"\r\033[K{line[: columns - 1]}")
        elif now - self._shown >= self._every:
            self._shown = now
            say(line)

    def close(self, outcome: str) -> None:
        """Print the final line, which stays."""
        if self._live:
            self._write("\r\033[K")
        say(f"{self._title}: {outcome} ({time.monotonic() - self._started:.0f} s)")

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            pass  # the terminal is gone; the next say() redirects output to nowhere
