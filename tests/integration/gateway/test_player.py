"""The notebook's player in a room of a running gateway."""

from __future__ import annotations

import asyncio
from typing import Any

from axon.notebook import play

from ...patience import eventually
from .harness import Running


def text_of(player: Any) -> str:
    return "".join(token["text"] for step in player.room.steps for token in step.get("tokens", ()))


async def test_a_room_is_played_from_its_start_and_goes_on(gateway: Running) -> None:
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    await presenter.send(prompt="x")
    await presenter.until("finished")
    player = await asyncio.to_thread(play, f"{gateway.url}/r/{room}")
    try:
        assert player.live
        await eventually(lambda: "<bos>The capital of France is Paris" in text_of(player))
        await presenter.send(prompt="y")
        await presenter.until("finished")
        await eventually(lambda: text_of(player).count("Paris") == 2)
        assert [s for s in player.room.steps if "names" in s] == [{"names": ["1"]}] * 2
    finally:
        await asyncio.to_thread(player.close)
    await eventually(lambda: "connection" in player.room.steps[-1].get("end", ""))


async def test_a_room_that_is_not_there_is_told(gateway: Running) -> None:
    player = await asyncio.to_thread(play, f"{gateway.url}/r/nowhere")
    await eventually(lambda: len(player.room.steps) == 2)
    assert "room" in player.room.steps[0]["end"]
    await asyncio.to_thread(player.close)
