"""A viewer on a bad connection delays no others, uses a limited buffer, and misses no frame."""

from __future__ import annotations

import asyncio
import json

from ...patience import PATIENCE
from .fake_inference import FakeInference, Script
from .harness import RawSocket, Running

TOKENS = 400
#: Frames of about 8 KB, 3 MB in all: far more than the kernel's buffers and ours hold.
BIG = Script(tokens=tuple(f" {n}" + "x" * 8000 for n in range(TOKENS)), delay=0.002)


def unsent(gateway: Running) -> int:
    """Bytes in the fullest socket's write buffer."""
    transports = gateway.gateway.sockets.values()
    return max(transport.get_write_buffer_size() for transport in transports)


async def test_a_stalled_viewer_does_not_delay_others_and_catches_up(
    gateway: Running, inference: FakeInference
) -> None:
    inference.script = BIG
    presenter = await gateway.connect()
    room = (await presenter.frame())["room"]
    stalled = await RawSocket.connect(gateway.url, room)
    await presenter.send(prompt="x")
    most = 0
    seen = []
    while not seen or seen[-1]["type"] != "finished":
        seen.append(await presenter.frame())
        most = max(most, unsent(gateway))
    assert sum(frame["type"] == "token" for frame in seen) == TOKENS
    assert 0 < most < 512 * 1024, "the stalled viewer used too much, or was not stalled"

    caught_up: list[dict[str, object]] = []
    batches = 0
    while not caught_up or caught_up[-1]["type"] != "finished":
        frame = json.loads(await asyncio.wait_for(stalled.text(), PATIENCE))
        batches += frame["type"] == "batch"
        caught_up += frame["frames"] if frame["type"] == "batch" else [frame]
    stalled.close()
    logged = [frame for frame in seen if frame["type"] != "room"]
    assert [frame for frame in caught_up if frame["type"] != "room"] == logged
    assert batches > 0
