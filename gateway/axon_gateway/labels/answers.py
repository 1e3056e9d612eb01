"""What Neuronpedia's API says of single features: asked once, stored in Redis for all gateways."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable

from axon_gateway.errors import Refusal
from axon_gateway.labels.api import FeatureApi
from axon_gateway.labels.link import Link
from axon_gateway.labels.memory import Memory
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.store import Entry, LabelStore
from axon_gateway.tasks import Once


class Answers:
    """The API's answers, which end up in `memory`; without an API there are none."""

    def __init__(
        self,
        api: FeatureApi | None,
        neuronpedia_id: Callable[[str], str | None],
        store: LabelStore,
        link: Link,
        memory: Memory,
    ) -> None:
        self._api = api
        self._neuronpedia_id = neuronpedia_id
        self._store = store
        self._link = link
        self._memory = memory
        self._asking = Once[tuple[str, int], None]()
        #: What is to be read from Redis, by source, and the reading under way.
        self._wanted: dict[str, set[int]] = {}
        self._recalling = Once[None, None]()

    def can_come(self, source: str) -> bool:
        """Whether the API can be asked about a source."""
        return self._api is not None and self._neuronpedia_id(source) is not None

    async def recall(self, source: str, indices: Iterable[int]) -> None:
        """Reads answers that other gateways have stored. Refusal if Redis fails.

        One reading at a time serves all callers; those that come while it runs share the next.
        """
        wanted = set(indices)
        self._wanted.setdefault(source, set()).update(wanted)
        while wanted & self._wanted.get(source, set()):
            await self._recalling.do(None, self._recall_wanted)

    async def ask(self, source: str, index: int) -> None:
        """Asks the API once for all callers. Raises Unavailable."""
        await self._asking.do((source, index), lambda: self._ask(source, index))

    async def close(self) -> None:
        """Ends unfinished work."""
        await self._asking.close()
        await self._recalling.close()

    async def _recall_wanted(self) -> None:
        wanted, self._wanted = self._wanted, {}
        async with self._link.talking():
            answers = await self._store.answers(wanted)
        for source, entries in answers.items():
            for index, entry in entries.items():
                self._memory.answer(source, index, entry)

    async def _ask(self, source: str, index: int) -> None:
        id_ = self._neuronpedia_id(source)
        assert self._api is not None
        assert id_ is not None
        record = await self._api.feature(id_, index) or FeatureRecord()
        entry = Entry(record, None if record.label else time.time())
        self._memory.answer(source, index, entry)
        with contextlib.suppress(Refusal):
            async with self._link.talking():
                await self._store.put(source, index, entry)
