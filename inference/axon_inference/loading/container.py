"""The memory that our container may use, which the machine's own figures do not show.

Imports little, since it runs before torch is imported. In a container that is much too small, that
import would end the process without a message.
"""

from __future__ import annotations

from pathlib import Path

from axon_inference.errors import Unservable

#: Where a container finds its limit, in bytes: control groups of version 2, and of version 1.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
#: What torch, SAELens and transformers take once imported (measured: 400 MB), and a margin.
_LIBRARIES = 500_000_000
_NO_LIMIT = 1 << 62


class MemoryTooSmall(Unservable):
    """It does not fit; the message says how much is needed for what, and what takes less."""


def memory_limit() -> int:
    """The most bytes that this container may use; more than any machine has without a limit."""
    return min(_read(path) for path in _LIMITS)


def require_libraries() -> None:
    """Refuse to begin where not even the libraries fit.

    Raises:
        MemoryTooSmall: the container's limit is too small for any model.
    """
    limit = memory_limit()
    if limit < _LIBRARIES:
        raise MemoryTooSmall(
            f"this container may use {limit // 10**6} MB of memory, and {_LIBRARIES // 10**6} MB "
            "are needed without any model: allow it more (AXON_INFERENCE_MEMORY with Compose)"
        )


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return _NO_LIMIT
