"""Packages that only some of the client needs: imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from axon.errors import AxonError


def load(name: str, extra: str) -> Any:
    """The module of this name. Raises AxonError, which says what to install, if it is missing."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0]
        if package != name.partition(".")[0]:
            raise
        why = f"this needs {package}: pip install 'axon-client[{extra}]'"
        raise AxonError("FAILED_PRECONDITION", why) from None
