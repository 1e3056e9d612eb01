"""Does work that several callers want at the same time once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


async def once(
    tasks: dict[_Key, asyncio.Task[_Result]],
    key: _Key,
    work: Callable[[], Coroutine[Any, Any, _Result]],
) -> _Result:
    """The result of `work`, or its failure; `tasks` has what is under way, by key."""
    task = tasks.get(key)
    if task is None:
        task = asyncio.create_task(work())
        tasks[key] = task
        task.add_done_callback(lambda done: _forget(tasks, key, done))
    # Shielded: a caller that is cancelled must not cancel the work for the others.
    return await asyncio.shield(task)


def _forget(
    tasks: dict[_Key, asyncio.Task[_Result]], key: _Key, task: asyncio.Task[_Result]
) -> None:
    del tasks[key]
    if not task.cancelled():
        # Fetched even if nobody waits any more: asyncio logs exceptions that nobody fetched.
        task.exception()
