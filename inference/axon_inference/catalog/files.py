"""Files of models and SAEs as they lie on a disk: read, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from axon_service.logs import describe

from axon_inference.errors import Unservable

AGAIN = "copy or download it again"


def require_file(path: Path) -> None:
    """Refuse what is no file.

    Raises:
        Unservable: it is missing, a folder, a link to nothing, or empty.
    """
    try:
        if path.is_symlink() and not path.exists():
            raise Unservable(f"{path} is a link to a file that is not there: {AGAIN}")
        if path.is_dir():
            raise Unservable(f"{path} is a folder, and should be a file: {AGAIN}")
        if path.stat().st_size == 0:
            raise Unservable(f"{path} is empty: {AGAIN}")
    except FileNotFoundError:
        raise Unservable(f"{path} is missing: {AGAIN}") from None
    except OSError as error:
        raise Unservable(f"{path} cannot be read: {error.strerror}") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        Unservable: it cannot be read, or holds something else.
    """
    require_file(path)
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise Unservable(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Unservable(f"{path} is not JSON ({describe(error)}): {AGAIN}") from error
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise Unservable(f"{path} should hold a JSON object, and holds a {kind}: {AGAIN}")
    return found


def weight_map(index: Path) -> dict[str, str]:
    """Which file holds which tensor of a model in several files, from its index.

    Raises:
        Unservable: the index does not say it.
    """
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not found or not all(map(_is_name, found.values())):
        raise Unservable(f"{index} does not say which file holds which weights: {AGAIN}")
    return found


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value == Path(value).name
