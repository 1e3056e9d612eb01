"""Many generations at a time, whose tokens go into one folder."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from axon.aio import AsyncClient
from axon.errors import AxonError
from axon.notebook.tables import Rows
from axon.record.folder import Folder
from axon.types import Model
from axon.v1 import inference_pb2 as pb

#: A file is written when it has so many tokens, or is so many seconds old.
_TOKENS, _SECONDS = 65_536, 60.0
#: Seconds between two tries, and how long no prompt at all may succeed.
_PAUSE, _PATIENCE = 2.0, 120.0
#: How often a single prompt may fail.
_FAILURES = 3


@dataclass
class _Part:
    """What the next file gets."""

    rows: Rows
    #: The number of each row's prompt.
    numbers: array[int] = field(default_factory=lambda: array("I"))
    prompts: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)


class Recording:
    """Runs the prompts that a folder lacks; `tell` is called when a file is written."""

    def __init__(
        self, folder: Folder, knobs: Mapping[str, Any], tell: Callable[[Recording], None]
    ) -> None:
        self.folder = folder
        #: Tokens that came now.
        self.tokens = 0
        self._knobs = dict(knobs)
        self._tell = tell
        self._began = self._succeeded = time.monotonic()
        self._model = ""
        #: As the first generation names them.
        self._sources: list[str] = []
        self._part: _Part | None = None
        #: The file being written. Another one is full only when it is done: memory stays flat.
        self._saving: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / max(time.monotonic() - self._began, 1e-9)

    async def run(self, address: str, connection: Mapping[str, Any], streams: int | None) -> None:
        """Runs them, so many at a time (None: see `_streams`), until all are done.

        Raises AxonError: the server is not there any more, or refuses what is asked for. What was
        finished is then in the folder.
        """
        async with AsyncClient(address, **connection) as client:
            model = await client.model()
            self.folder.serves(model)
            self._model = model.model
            left = self.folder.left()
            self._began = self._succeeded = time.monotonic()
            try:
                async with asyncio.TaskGroup() as readers:
                    for _ in range(streams or _streams(model)):
                        readers.create_task(self._read(client, left))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                await self._close()

    async def _read(self, client: AsyncClient, left: Iterator[tuple[int, str]]) -> None:
        for number, text in left:
            await self._keep(number, await self._generate(client, text))

    async def _generate(self, client: AsyncClient, text: str) -> list[pb.Token] | str:
        """The tokens of a prompt, or why there are none."""
        failures = 0
        while True:
            try:
                tokens = await self._tokens(client, text)
            except AxonError as error:
                failures += error.code == "INTERNAL"
                if _is_about_the_prompt(error) or failures == _FAILURES:
                    return error.message
                stuck = time.monotonic() - self._succeeded > _PATIENCE
                if stuck or error.code not in ("INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED"):
                    raise
                await asyncio.sleep(error.retry_after or _PAUSE)
            else:
                self._succeeded = time.monotonic()
                return tokens

    async def _tokens(self, client: AsyncClient, text: str) -> list[pb.Token]:
        tokens: list[pb.Token] = []
        async with client.generate(text, **self._knobs) as generation:
            async for response in generation.messages():
                if response.HasField("tokens"):
                    tokens += response.tokens.tokens
                elif response.HasField("started"):
                    self._check(response.started)
                elif response.HasField("finished"):
                    return tokens
        raise AxonError("UNAVAILABLE", "the server ended a generation before its end")

    def _check(self, started: pb.Started) -> None:
        """Raises AxonError if another model answers now."""
        if not self._sources:
            self._sources += started.sources
        if (started.model, list(started.sources)) != (self._model, self._sources):
            now = f"{started.model} with {', '.join(started.sources)}"
            raise AxonError("FAILED_PRECONDITION", f"the server has another model now: {now}")

    async def _keep(self, number: int, found: list[pb.Token] | str) -> None:
        async with self._turn:
            part = self._part = self._part or _Part(Rows(self._sources))
            if isinstance(found, str):
                part.refused[number] = found
            else:
                part.prompts.append(number)
                part.numbers.extend([number] * len(found))
                part.rows.add_messages(found)
                self.tokens += len(found)
            if len(part.rows) >= _TOKENS or time.monotonic() - part.began > _SECONDS:
                if self._saving is not None:
                    await self._saving
                self._saving, self._part = asyncio.create_task(self._save(part)), None

    async def _save(self, part: _Part) -> None:
        await asyncio.to_thread(self._write, part)
        self._tell(self)

    def _write(self, part: _Part) -> None:
        table = part.rows.table(prompt=part.numbers)
        self.folder.write(table, part.prompts, part.refused)

    async def _close(self) -> None:
        """Writes what is left of whole prompts."""
        if self._saving is not None:
            await self._saving
        if self._part is not None:
            self._write(self._part)


def _streams(model: Model) -> int:
    """The server's slots, and as many that wait for one: else it is empty until the client has
    heard that a prompt ended and sent the next one."""
    limits = model.limits
    return limits.slots + min(limits.slots, limits.max_queue)


def _is_about_the_prompt(error: AxonError) -> bool:
    """Whether other prompts may be taken. Messages begin with the first bad field."""
    if error.code != "INVALID_ARGUMENT":
        return False
    if error.violations:
        return all(one.field == "prompt" for one in error.violations)
    return error.message.startswith("prompt")
