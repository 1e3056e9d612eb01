"""Tasks that end with their owner, and work that is done once for all who want it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks, and returns once they have ended."""
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Tasks(set[asyncio.Task[Any]]):
    """The tasks of one owner that have not ended. asyncio itself would let them be collected."""

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Begins to work, and returns at once."""
        task = asyncio.create_task(work)
        self.add(task)
        task.add_done_callback(self.discard)
        return task


class Once(Generic[_Key, _Result]):
    """Does what several callers want at the same time once for all of them, by key."""

    def __init__(self) -> None:
        self._tasks: dict[_Key, asyncio.Task[_Result]] = {}

    async def do(self, key: _Key, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """The result of `work`, or its failure."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(self._run(key, work))
            # Fetches the exception: asyncio logs those that nobody has fetched.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a caller that is cancelled must not cancel the work for the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Ends unfinished work."""
        await cancel(self._tasks.values())

    async def _run(self, key: _Key, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        try:
            return await work()
        finally:
            # Not in a callback, which runs later: who asks in between would get an old result.
            del self._tasks[key]
