"""Read what a service prints, line by line."""

import asyncio
import codecs
import os
from collections.abc import Callable

LONGEST_LINE = 1 << 16


async def follow(pipe: int, line: Callable[[str], None]) -> None:
    """Call `line` with each line read from the file descriptor `pipe`, until it closes."""
    reader = asyncio.StreamReader()
    with os.fdopen(pipe, "rb") as file:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            await _split(reader, lambda text: line(_last_state(text)))
        finally:
            transport.close()


async def _split(reader: asyncio.StreamReader, line: Callable[[str], None]) -> None:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    while chunk := await reader.read(LONGEST_LINE):
        *lines, rest = (rest + decode(chunk)).split("\n")
        if len(rest) > LONGEST_LINE:
            lines, rest = [*lines, rest], ""
        for text in lines:
            line(text)
    if rest:
        line(rest)


def _last_state(text: str) -> str:
    """What a terminal would show in the end: a progress bar overwrites its line after each \\r."""
    return text.rstrip().rpartition("\r")[2]
