"""The map of all features: what lies near has a similar decoder row."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axon import extras
from axon.errors import AxonError
from axon.v1 import inference_pb2 as pb

#: A feature without a district, or without kin.
NONE = 2**32 - 1


@dataclass(frozen=True, slots=True)
class MapProgress:
    """The map is being made."""

    #: What is being done, for people.
    stage: str
    #: Share of the whole work, 0 to 1.
    done: float


@dataclass(frozen=True, slots=True)
class MapSource:
    """One storey of the map."""

    id: str
    #: Number of features.
    width: int
    layer: int
    #: Height, from 0.
    storey: int
    #: Of a feature's 10 nearest by cosine, the share that is among its 10 nearest in the plane.
    recall: float
    #: Why its plane has nothing to do with the other storeys'; empty if it has.
    apart: str


@dataclass(frozen=True, slots=True)
class MapDistrict:
    """A cluster of features."""

    #: 0 for a large one, 1 for a small one inside a large one.
    level: int
    #: Index of the large one that it belongs to, its own if it is one.
    parent: int
    #: Its middle, as `FeatureMap.x`.
    x: int
    y: int
    #: It holds half of its features.
    radius: int
    #: Number of its features.
    features: int
    #: Texts of the tokens that they promote more than others do.
    promoted: tuple[str, ...]


@dataclass(slots=True)
class FeatureMap:
    """Places of all features of some sources, one source after another."""

    model: str
    #: Of the weights and of the method.
    hash: str
    seed: int
    #: Median distance of kin in the plane, as a share of the map's width.
    kin_distance: float
    sources: tuple[MapSource, ...]
    districts: tuple[MapDistrict, ...] = ()
    #: Places in the plane, 0 to 65535.
    x: array[int] = field(default_factory=lambda: array("I"))
    y: array[int] = field(default_factory=lambda: array("I"))
    #: Index of the small district of each, or NONE.
    district: array[int] = field(default_factory=lambda: array("I"))
    #: Of each the feature one storey higher that is most like it, and it most like that one; an
    #: index among all features, or NONE.
    kin: array[int] = field(default_factory=lambda: array("I"))
    #: Cosine of the two decoder rows; 0 without kin.
    cosine: array[float] = field(default_factory=lambda: array("f"))

    def first(self) -> list[int]:
        """Of each source the index of its feature 0 among all features."""
        widths = [source.width for source in self.sources]
        return [sum(widths[:number]) for number in range(len(widths))]

    def columns(self) -> dict[str, list[Any]]:
        """One row a feature; an entry that a feature lacks is None."""
        names = [(source.id, index) for source in self.sources for index in range(source.width)]
        none: tuple[str | None, int | None] = (None, None)
        kin = [none if one == NONE else names[one] for one in self.kin]
        parents = [one.parent for one in self.districts]
        return {
            "source": [name for name, _ in names],
            "feature": [index for _, index in names],
            "x": list(self.x),
            "y": list(self.y),
            "district": [None if one == NONE else one for one in self.district],
            "large_district": [None if one == NONE else parents[one] for one in self.district],
            "kin_source": [source for source, _ in kin],
            "kin_feature": [feature for _, feature in kin],
            "kin_cosine": [
                None if one == NONE else value
                for one, value in zip(self.kin, self.cosine, strict=True)
            ],
        }

    def write_parquet(self, path: Path) -> None:
        """Writes `columns()`. Raises AxonError without pyarrow (`pip install axon-client[parquet]`)
        or if the file cannot be written."""
        pyarrow = extras.load("pyarrow", "parquet")
        parquet = extras.load("pyarrow.parquet", "parquet")
        try:
            parquet.write_table(pyarrow.table(self.columns()), path)
        except OSError as error:
            raise AxonError("FAILED_PRECONDITION", f"{path} cannot be written: {error}") from None


class Collector:
    """Puts a map together from the messages of GetMap."""

    def __init__(self) -> None:
        self._map: FeatureMap | None = None

    def add(self, message: pb.GetMapResponse) -> MapProgress | FeatureMap | None:
        """Take in the next message. Returns what it tells: progress, or, at the beginning, the map
        without its features."""
        match message.WhichOneof("part"):
            case "progress":
                return MapProgress(message.progress.stage, message.progress.done)
            case "started":
                self._map = _begun(message.started)
                return self._map
            case "places":
                self.map.x.extend(message.places.x)
                self.map.y.extend(message.places.y)
                self.map.district.extend(message.places.district)
            case "districts":
                self.map.districts = tuple(map(_district, message.districts.districts))
            case "kin":
                self._add_kin(message.kin)
        return None

    @property
    def map(self) -> FeatureMap:
        """The map so far. Raises AxonError before it has begun."""
        if self._map is None:
            raise AxonError("UNAVAILABLE", "the server ended the stream before the map began")
        return self._map

    def _add_kin(self, kin: pb.MapKin) -> None:
        first = self.map.first()
        columns = (kin.source, kin.feature, kin.above_source, kin.above, kin.cosine)
        for source, feature, above_source, above, cosine in zip(*columns, strict=True):
            self.map.kin[first[source] + feature] = first[above_source] + above
            self.map.cosine[first[source] + feature] = cosine


def _begun(started: pb.MapStarted) -> FeatureMap:
    count = sum(source.width for source in started.sources)
    return FeatureMap(
        model=started.model,
        hash=started.hash,
        seed=started.seed,
        kin_distance=round(started.kin_distance, 5),
        sources=tuple(
            MapSource(
                id=source.id,
                width=source.width,
                layer=source.layer,
                storey=source.storey,
                recall=round(source.recall, 4),
                apart=source.apart,
            )
            for source in started.sources
        ),
        kin=array("I", [NONE]) * count,
        cosine=array("f", [0]) * count,
    )


def _district(one: pb.MapDistrict) -> MapDistrict:
    return MapDistrict(
        level=one.level,
        parent=one.parent,
        x=one.x,
        y=one.y,
        radius=one.radius,
        features=one.features,
        promoted=tuple(one.promoted),
    )
