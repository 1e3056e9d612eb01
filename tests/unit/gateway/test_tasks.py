"""Work that several callers want at the same time."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from axon_gateway.tasks import Once


class Work:
    """Work that ends when the test allows it."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.end.wait()
        if self.failure:
            raise self.failure
        return number


async def callers(once: Once[str, int], work: Work) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(once.do("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    return tasks


async def test_all_callers_get_one_result_and_the_next_one_a_new_result() -> None:
    once, work = Once[str, int](), Work()
    tasks = await callers(once, work)
    tasks[0].cancel()  # the others still get the result
    work.end.set()
    assert await asyncio.gather(*tasks[1:]) == [1, 1]
    assert await once.do("key", work) == 2
    assert await once.do("another key", work) == 3


async def test_who_asks_right_after_the_end_gets_a_new_result() -> None:
    once, later = Once[str, int](), list[asyncio.Task[int]]()

    async def work() -> int:
        if not later:
            # Runs after this work, before the callbacks of its task.
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: later.append(asyncio.create_task(once.do("key", work))))
            return 1
        return 2

    assert await once.do("key", work) == 1
    assert await later[0] == 2


async def test_all_callers_get_the_failure_and_nobody_else_hears_of_it() -> None:
    once, work = Once[str, int](), Work()
    unfetched: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: unfetched.append(what))
    work.failure = ValueError("a failure")
    work.end.set()
    for task in await callers(once, work):
        with pytest.raises(ValueError, match="a failure"):
            await task
    for task in await callers(once, work):
        task.cancel()
    await asyncio.sleep(0.01)
    gc.collect()
    assert not unfetched


async def test_closing_ends_unfinished_work() -> None:
    once, work = Once[str, int](), Work()
    tasks = await callers(once, work)
    await once.close()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
