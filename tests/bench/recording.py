"""`axon record`, and a client that keeps nothing, on the same prompts and as many at a time."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from axon import record
from axon.aio import AsyncClient
from demo_model.world.writer import Writer


def prompts(count: int) -> list[str]:
    """Lines of the bundled model's world."""
    documents = Writer(seed=1, annotated=False).documents()
    lines = (line for document in documents for line in document.text.splitlines() if line.strip())
    return list(islice(lines, count))


def kept(address: str, texts: Sequence[str], streams: int, **knobs: Any) -> float:
    """Tokens/s from the first call until the last file is on the disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "prompts.txt")
        path.write_text("\n".join(texts))
        asked = record.Prompts(path)
        with record.Folder(Path(folder, "parquet"), asked, knobs) as out:
            recording = record.Recording(out, knobs, lambda recording: None)
            began = time.perf_counter()
            asyncio.run(recording.run(address, {}, streams))
            return recording.tokens / (time.perf_counter() - began)


def dropped(address: str, texts: Sequence[str], streams: int, **knobs: Any) -> float:
    """Tokens/s from the first call until the last message has come."""
    began = time.perf_counter()
    tokens = asyncio.run(_drop(address, texts, streams, knobs))
    return tokens / (time.perf_counter() - began)


async def _drop(address: str, texts: Sequence[str], streams: int, knobs: dict[str, Any]) -> int:
    async with AsyncClient(address) as client:
        left = iter(texts)

        async def read() -> int:
            tokens = 0
            for text in left:
                async with client.generate(text, **knobs) as generation:
                    async for message in generation.messages():
                        tokens += len(message.tokens.tokens)
            return tokens

        return sum(await asyncio.gather(*(read() for _ in range(streams))))
