"""Labels that follow a stream: whenever they are asked for, they are looked up."""

from __future__ import annotations

import asyncio

from axon_gateway.generations.label_feed import _Collector

from tests.patience import eventually


async def test_features_wanted_as_a_look_up_ends_are_looked_up_too() -> None:
    looked_up: list[set[int]] = []

    async def look_up(source: str, indices: set[int]) -> None:
        looked_up.append(indices)
        if indices == {1}:
            # Comes right after this look-up, before anything else in the event loop.
            asyncio.get_running_loop().call_soon(collector.add, source, {2})

    collector = _Collector(look_up)
    collector.add("s", {1})
    await eventually(lambda: looked_up == [{1}, {2}] and not collector.tasks)
