"""The map as messages: while it is made how far it is, and then its parts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from axon.v1 import inference_pb2 as pb

if TYPE_CHECKING:
    from axon_inference.map.background import Background
    from axon_inference.map.kept import FeatureMap, Numbers
    from axon_inference.map.mapper import Mapper

_log = logging.getLogger(__name__)

# Features or pairs in one message: less than 1 MB.
_PART = 50_000
_NOWHERE = 2**32 - 1
# Seconds between two reports, at the least.
_OFTEN = 0.5


class NoMap(Exception):
    """There is no map, and will be none; the message says why."""


class Maps:
    """The map of a service: on disk, or being made while the service goes on.

    Everything slow is done on a thread and in a process of its own; see `map.background`.
    """

    def __init__(self, mapper: Mapper | None, model: str) -> None:
        self._mapper, self._model = mapper, model
        self._why_none = mapper.why_none if mapper else "this server has no map"
        self._progress = pb.MapProgress(stage="looking for a map")
        self._parts: Sequence[pb.GetMapResponse] | None = None
        self._found: tuple[FeatureMap, list[list[str]]] | None = None
        self._changed = asyncio.Event()
        self._closing = threading.Event()
        self._background: Background | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Find the map or make it, on a thread. Call it once, in the event loop."""
        if not self._why_none:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.create_task(asyncio.to_thread(self._run))

    async def close(self) -> None:
        """End what is being made."""
        self._closing.set()
        if self._background:
            await asyncio.to_thread(self._background.stop)
        if self._task:
            await self._task

    async def parts(self, sources: Sequence[str]) -> AsyncIterator[pb.GetMapResponse]:
        """How far the map is, until it is there; then what belongs to `sources`.

        Raises:
            NoMap: there will be none.
        """
        while not self._found:
            if self._why_none:
                raise NoMap(self._why_none)
            changed = self._changed
            yield pb.GetMapResponse(progress=self._progress)
            await changed.wait()
            await asyncio.sleep(_OFTEN if not self._found else 0)
        for part in messages(*self._found, self._model, sources):
            yield part

    def _run(self) -> None:
        try:
            found = self._make()
        except Exception as error:
            if not self._closing.is_set():
                _log.error("there is no map: it could not be made: %s", error)
            self._tell(why=f"the map could not be made: {error}")
        else:
            self._tell(found=found)

    def _make(self) -> tuple[FeatureMap, list[list[str]]]:
        assert self._mapper is not None
        plan = self._mapper.plan()
        found = self._mapper.find(plan.hash)
        if not found:
            self._background = self._mapper.background(plan)
            if self._closing.is_set():
                raise NoMap("the server is shutting down")
            _log.info("making the map of %d sources, in the background", len(plan.storeys))
            found = self._background.run(lambda stage, done: self._tell(stage, done))
            self._mapper.keep(found)
            _log.info("the map is made")
        return found, self._mapper.promoted(plan, found)

    def _tell(
        self,
        stage: str = "",
        done: float = 0,
        *,
        found: tuple[FeatureMap, list[list[str]]] | None = None,
        why: str = "",
    ) -> None:
        """Say what is new to all who wait; called on the thread."""

        def tell() -> None:
            self._progress = pb.MapProgress(stage=stage, done=done)
            self._found, self._why_none = found, why
            self._changed.set()
            self._changed = asyncio.Event()

        self._loop.call_soon_threadsafe(tell)


def messages(
    found: FeatureMap, promoted: Sequence[Sequence[str]], model: str, sources: Sequence[str]
) -> Iterator[pb.GetMapResponse]:
    """A map in parts, of these sources; `promoted` has the tokens of each district."""
    wanted = [i for i, storey in enumerate(found.storeys) if storey.id in sources]
    yield pb.GetMapResponse(started=_started(found, model, wanted))
    first, large = found.first(), len(np.unique(found.large))
    for number, index in enumerate(wanted):
        width = found.storeys[index].width
        for begin in range(0, width, _PART):
            at = slice(first[index] + begin, first[index] + min(begin + _PART, width))
            district = found.district[at].astype(np.int64) + large
            district[found.district[at] == 65535] = _NOWHERE
            places = pb.MapPlaces(
                source=number,
                first=begin,
                x=found.places[at, 0].tolist(),
                y=found.places[at, 1].tolist(),
                district=district.tolist(),
            )
            yield pb.GetMapResponse(places=places)
    yield pb.GetMapResponse(districts=pb.MapDistricts(districts=_districts(found, promoted, large)))
    yield from _kin(found, wanted, first)


def _started(found: FeatureMap, model: str, wanted: Sequence[int]) -> pb.MapStarted:
    storeys = [(index, found.storeys[index]) for index in wanted]
    return pb.MapStarted(
        model=model,
        hash=found.hash,
        seed=found.seed,
        kin_distance=found.kin_distance,
        sources=[
            pb.MapSource(
                id=storey.id,
                width=storey.width,
                layer=storey.layer,
                storey=index,
                recall=storey.recall,
                apart=storey.apart,
            )
            for index, storey in storeys
        ],
    )


def _districts(
    found: FeatureMap, promoted: Sequence[Sequence[str]], large: int
) -> Iterator[pb.MapDistrict]:
    small = len(found.large)
    placed = found.district < small
    places = found.places[placed].astype(np.float64)
    district = found.district[placed].astype(np.int64)
    groups = found.large[district]
    for index in range(large + small):
        level = int(index >= large)
        inside = district == index - large if level else groups == index
        yield _district(
            places[inside],
            level,
            int(found.large[index - large]) if level else index,
            promoted[index],
        )


def _district(places: Numbers, level: int, parent: int, promoted: Sequence[str]) -> pb.MapDistrict:
    middle = np.median(places, 0) if len(places) else np.zeros(2)
    radius = np.median(np.linalg.norm(places - middle, axis=1)) if len(places) else 0
    return pb.MapDistrict(
        level=level,
        parent=parent,
        x=round(float(middle[0])),
        y=round(float(middle[1])),
        radius=round(float(radius)),
        features=len(places),
        promoted=promoted,
    )


def _kin(
    found: FeatureMap, wanted: Sequence[int], first: Sequence[int]
) -> Iterator[pb.GetMapResponse]:
    number = np.full(len(found.storeys), -1)
    number[list(wanted)] = np.arange(len(wanted))
    starts = np.array(first)
    below, above = (
        np.searchsorted(starts, ends, "right") - 1 for ends in (found.lower, found.upper)
    )
    chosen = np.flatnonzero((number[below] >= 0) & (number[above] >= 0))
    for begin in range(0, len(chosen), _PART):
        some = chosen[begin : begin + _PART]
        kin = pb.MapKin(
            source=number[below[some]].tolist(),
            feature=(found.lower[some] - starts[below[some]]).tolist(),
            above_source=number[above[some]].tolist(),
            above=(found.upper[some] - starts[above[some]]).tolist(),
            cosine=found.cosine[some].astype(np.float64).tolist(),
        )
        yield pb.GetMapResponse(kin=kin)
