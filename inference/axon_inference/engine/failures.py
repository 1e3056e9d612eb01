"""Logs each fault's traceback once, since one fault may fail thousands of requests."""

from __future__ import annotations

import logging
from types import CodeType

from axon_service.logs import describe


class Causes:
    """Logs an exception with its traceback unless one of its kind from its place was logged."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        # Has at most as many entries as there are places in the program that raise.
        self._known: set[tuple[type[BaseException], CodeType | None, int]] = set()

    def note(self, what: str, error: BaseException) -> bool:
        """Log what happened and the error behind it if that is news; returns whether it is."""
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        code = place.tb_frame.f_code if place else None
        cause = (type(error), code, place.tb_lineno if place else 0)
        if cause in self._known:
            return False
        self._known.add(cause)
        self._log.error("%s: %s", what, describe(error), exc_info=error)
        return True
