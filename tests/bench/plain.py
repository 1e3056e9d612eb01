"""The comparison for fan-out: a loop that awaits `send_json`, with aiohttp's defaults.

`python -m tests.bench.plain FRAMES.jsonl` serves it on a free port and prints the port. Any message
from a client starts the loop, which sends every frame of the file to every socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web


def app(frames: list[object]) -> web.Application:
    """`/ws` adds a socket; any message on one of them sends all frames to all sockets."""
    sockets: list[web.WebSocketResponse] = []

    async def live(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sockets.append(socket)
        async for _ in socket:
            for frame in frames:
                for viewer in sockets:
                    await viewer.send_json(frame)
        return socket

    application = web.Application()
    application.router.add_get("/ws", live)
    return application


async def main(frames: list[object]) -> None:
    """Serves until the process is ended."""
    runner = web.AppRunner(app(frames))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]))
