"""GetMap over gRPC: progress while the map is made, then its parts, and how its making ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.config import Settings
from axon_inference.loading.ready import Loaded
from axon_inference.map.background import NotMade
from axon_inference.map.kept import NOWHERE, FeatureMap, Storey
from axon_inference.map.plan import Plan
from axon_inference.serving.service import Service

from .rig import Rig, fake_load

STOREYS = (Storey("fake/0-res", 3, 0, recall=0.5), Storey("fake/1-res", 2, 1, recall=0.25))
FOUND = FeatureMap(
    hash="a" * 16,
    seed=0,
    kin_distance=0.01,
    storeys=STOREYS,
    places=np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 65535]], np.uint16),
    district=np.array([0, 0, 1, 1, NOWHERE], np.uint16),
    large=np.array([0, 1], np.uint16),
    lower=np.array([0, 2], np.uint32),
    upper=np.array([4, 3], np.uint32),
    cosine=np.array([1, 0.5], np.float16),
)


class FakeBackground:
    """It has told once when `run` waits; `stop` ends it as the real one's process."""

    def __init__(self) -> None:
        self.go_on, self.stopped = threading.Event(), False

    def run(self, report: Callable[[str, float], None]) -> FeatureMap:
        report("laying out the plane", 0.5)
        self.go_on.wait(30)
        if self.stopped:
            raise NotMade("its process ended")
        return FOUND

    def stop(self) -> None:
        self.stopped = True
        self.go_on.set()


class FakeMapper:
    """A mapper whose map is `kept`, or made by `maker`."""

    def __init__(self, kept: FeatureMap | None = None, why_none: str = "") -> None:
        self.kept, self.why_none, self.maker = kept, why_none, FakeBackground()

    def plan(self) -> Plan:
        return Plan(STOREYS, (0, 1), FOUND.hash)

    def find(self, hash_: str) -> FeatureMap | None:
        return self.kept

    def keep(self, found: FeatureMap) -> None:
        self.kept = found

    def background(self, plan: Plan) -> FakeBackground:
        return self.maker

    def promoted(self, plan: Plan, found: FeatureMap) -> list[list[str]]:
        return [["a"], ["b"], ["c"], ["d"]]


async def started(mapper: FakeMapper | None) -> tuple[Service, Rig]:
    def load(settings: Settings) -> Loaded:
        loaded = fake_load(settings)
        served = replace(loaded.served, sources=("fake/0-res", "fake/1-res"))
        return replace(loaded, served=served, mapper=mapper)  # type: ignore[arg-type]

    settings = Settings(port=0, slots=1, drain_seconds=1)
    service = Service(settings, on_fatal=pytest.fail, load=load)
    await service.listen()
    await service.load()
    return service, Rig(service)


async def ask(rig: Rig, *sources: str) -> dict[str, list[Any]]:
    """The parts of a map by their kind."""
    found: dict[str, list[Any]] = {}
    async for part in rig.stub.GetMap(pb.GetMapRequest(sources=sources)):
        kind = part.WhichOneof("part")
        found.setdefault(kind, []).append(getattr(part, kind))
    return found


async def test_a_kept_map_is_streamed_in_parts() -> None:
    service, rig = await started(FakeMapper(FOUND))
    try:
        found = await ask(rig)
    finally:
        await service.drain()
    [about] = found["started"]
    assert (about.model, about.hash, len(about.sources)) == ("fake", "a" * 16, 2)
    assert [(s.storey, s.layer, s.width, s.recall) for s in about.sources] == [
        (0, 0, 3, 0.5),
        (1, 1, 2, 0.25),
    ]
    first, second = found["places"]
    assert (list(first.x), list(first.y), list(first.district)) == ([0, 2, 4], [1, 3, 5], [2, 2, 3])
    assert (second.source, list(second.y), list(second.district)) == (1, [7, 65535], [3, 2**32 - 1])
    [districts] = found["districts"]
    told = [(d.level, d.parent, d.features, list(d.promoted)) for d in districts.districts]
    assert told == [(0, 0, 2, ["a"]), (0, 1, 2, ["b"]), (1, 0, 2, ["c"]), (1, 1, 2, ["d"])]
    [kin] = found["kin"]
    columns = (kin.source, kin.feature, kin.above_source, kin.above, kin.cosine)
    assert [list(column) for column in columns] == [[0, 0], [0, 2], [1, 1], [1, 0], [1.0, 0.5]]


async def test_one_source_of_it_can_be_asked_for() -> None:
    service, rig = await started(FakeMapper(FOUND))
    try:
        found = await ask(rig, "fake/1-res")
        assert [source.id for source in found["started"][0].sources] == ["fake/1-res"]
        assert found["started"][0].sources[0].storey == 1
        assert [list(part.x) for part in found["places"]] == [[6, 8]]
        assert "kin" not in found
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await ask(rig, "fake/9-res")
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    finally:
        await service.drain()


async def test_progress_is_told_until_the_map_is_made_and_kept() -> None:
    mapper = FakeMapper()
    service, rig = await started(mapper)
    try:
        kinds, stages = [], []
        async for part in rig.stub.GetMap(pb.GetMapRequest()):
            kinds.append(part.WhichOneof("part"))
            if kinds[-1] == "progress":
                stages.append((part.progress.stage, part.progress.done))
                if part.progress.done:
                    mapper.maker.go_on.set()
    finally:
        await service.drain()
    assert stages[-1] == ("laying out the plane", 0.5)
    assert "started" in kinds
    assert mapper.kept is FOUND


async def test_a_stopping_service_ends_what_makes_the_map() -> None:
    mapper = FakeMapper()
    service, rig = await started(mapper)
    async for part in rig.stub.GetMap(pb.GetMapRequest()):
        if part.progress.done:
            break
    await service.drain()
    assert mapper.maker.stopped
    assert mapper.kept is None


@pytest.mark.parametrize("mapper", [None, FakeMapper(why_none="AXON_MAP=off")])
async def test_without_a_map_the_reason_is_told(mapper: FakeMapper | None) -> None:
    service, rig = await started(mapper)
    try:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await ask(rig)
    finally:
        await service.drain()
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert (mapper.why_none if mapper else "no map") in str(error.value.details())
