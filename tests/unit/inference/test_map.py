"""The map: neighbours, places, districts, what is kept on disk, and the process that makes it."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from axon_inference.catalog.selection import select
from axon_inference.config import BUNDLED_MODEL, Settings
from axon_inference.map import kept, making
from axon_inference.map.kept import NOWHERE, WIDTH, FeatureMap, Storey
from axon_inference.map.mapper import BUNDLED, Mapper
from axon_inference.map.neighbours import mutual, nearest, unit
from axon_inference.map.plan import Plan
from safetensors.torch import load_file

from .test_map_process import STOREYS, WIDTHS, rows


def silent(stage: str, done: float) -> None:
    pass


@pytest.fixture(scope="module")
def made() -> FeatureMap:
    return making.make(STOREYS, rows(), "0" * 16, silent)


def test_the_nearest_are_those_with_the_largest_cosine_and_not_the_row_itself() -> None:
    own = unit(torch.randn(50, 8, generator=torch.Generator().manual_seed(1)))
    cosines = own @ own.T
    for row, found in enumerate(nearest(own, 5)):
        others = [i for i in cosines[row].argsort(descending=True).tolist() if i != row]
        assert found.tolist() == others[:5]


def test_kin_are_each_others_most_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axon_inference.map.neighbours._ROWS", 7)  # several parts
    generator = torch.Generator().manual_seed(2)
    first, second = (unit(torch.randn(n, 8, generator=generator)) for n in (30, 40))
    cosines = first @ second.T
    expected = {
        (a, b) for a in range(30) if cosines[:, b := int(cosines[a].argmax())].argmax() == a
    }
    kin = mutual(first, second)
    assert set(zip(kin.first.tolist(), kin.second.tolist(), strict=True)) == expected
    assert torch.allclose(kin.cosine, cosines[kin.first, kin.second])


def test_a_map_has_neighbourhoods_columns_and_districts(made: FeatureMap) -> None:
    assert made.places.shape == (sum(WIDTHS), 2)
    assert max(made.places.max(0) - made.places.min(0)) == WIDTH
    assert [storey.recall > 0.4 for storey in made.storeys] == [True] * 3
    assert made.kin_distance <= 0.03
    assert len(made.lower) > 400
    assert made.district.max() + 1 == len(made.large) == sum(WIDTHS) // 40
    # Small districts are numbered below, large ones by their size.
    sizes = np.bincount(made.large[made.district])
    assert sorted(sizes, reverse=True) == sizes.tolist()


def test_recall_is_that_of_the_places(made: FeatureMap) -> None:
    own = unit(rows()[0])
    cosines = (own @ own.T).fill_diagonal_(-2)
    places = torch.from_numpy(made.places[:300].astype(np.float64))
    distance = torch.cdist(places, places).fill_diagonal_(torch.inf)
    best, near = (
        cosines.topk(10).indices.tolist(),
        distance.topk(10, largest=False).indices.tolist(),
    )
    shares = [len(set(a) & set(b)) / 10 for a, b in zip(best, near, strict=True)]
    assert made.storeys[0].recall == pytest.approx(np.mean(shares), abs=0.01)  # ties apart


def test_features_in_one_place_count_as_one_anothers_neighbours() -> None:
    places = np.zeros((30, 2), np.uint16)
    near = np.array([[j for j in range(30) if j != i][:10] for i in range(30)])
    assert 0 < making.recall_of(places, near) <= 1


def test_the_same_rows_make_the_same_bytes(made: FeatureMap, tmp_path: Path) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    again = making.make(STOREYS, rows(), "0" * 16, silent)
    kept.save(made, tmp_path / "one")
    kept.save(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_source_of_another_space_has_a_plane_of_its_own(made: FeatureMap) -> None:
    apart = Storey("m/z", 90, 0, apart="it writes elsewhere")
    other = torch.randn(90, 5, generator=torch.Generator().manual_seed(3))
    found = making.make((*STOREYS, apart), [*rows(), other], "0" * 16, silent)
    count = sum(WIDTHS)
    assert np.array_equal(found.places[:count], made.places)
    assert (found.district[count:] == NOWHERE).all()
    assert np.concatenate([found.lower, found.upper]).max() < count
    assert found.storeys[3].recall > 0.1


@pytest.mark.parametrize("width", [1, 2, 5])
def test_sources_with_hardly_any_features_have_a_map(width: int) -> None:
    storeys = [Storey("m/0", width, 0), Storey("m/1", width, 1)]
    found = making.make(storeys, rows([width, width]), "0" * 16, silent)
    assert found.places.shape == (2 * width, 2)


def test_a_decoder_with_rows_of_zeros_has_a_map() -> None:
    some = rows([80, 80])
    some[0][:40] = 0
    found = making.make([Storey("m/0", 80, 0), Storey("m/1", 80, 1)], some, "0" * 16, silent)
    assert np.isfinite(found.cosine).all()
    assert (found.places.max(0) > found.places.min(0)).all()


def test_making_a_map_is_fast_enough() -> None:
    storeys = [Storey("m/0", 1024, 0), Storey("m/1", 1024, 1)]
    begun = time.process_time()
    making.make(storeys, rows([1024, 1024]), "0" * 16, silent)
    # 8,192 features may take 30 s; this machine's own speed varies by a factor of two.
    assert time.process_time() - begun < 15


def test_progress_grows_to_the_end() -> None:
    told: list[float] = []
    making.make(STOREYS[:2], rows(WIDTHS[:2]), "0" * 16, lambda stage, done: told.append(done))
    assert told == sorted(told)
    assert 0 <= told[0] < 0.5 < told[-1] <= 1


def test_a_kept_map_is_the_same_one(made: FeatureMap, tmp_path: Path) -> None:
    kept.save(made, tmp_path / "deep" / "map.npz")
    found = kept.load(tmp_path / "deep" / "map.npz")
    assert (found.hash, found.storeys, found.kin_distance) == (
        made.hash,
        made.storeys,
        made.kin_distance,
    )
    assert np.array_equal(found.places, made.places)
    assert np.array_equal(found.lower, made.lower)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["map.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_holds_no_map(made: FeatureMap, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "map.npz"
    kept.save(made, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(
        {"cut": data[: len(data) // 2], "flipped": data, "empty": b"", "text": b"{}"}[damage]
    )
    with pytest.raises(kept.Damaged):
        kept.load(path)


def sources() -> list[Any]:
    """The bundled model's SAEs, as far as a plan looks at them."""
    found = []
    for spec in select("axon-demo", ()).sources:
        config = json.loads((spec.folder / "cfg.json").read_text())
        hook = config["metadata"]["hook_name"]
        found.append(
            SimpleNamespace(
                id=config["metadata"]["neuronpedia_id"],
                hook=SimpleNamespace(layer=int(hook.split(".")[1])),
                writes_to=hook,
                writes_residual=True,
                sae=SimpleNamespace(width=config["d_sae"]),
            )
        )
    return found


def mapper(tmp_path: Path, of: list[Any] | None = None, **settings: Any) -> Mapper:
    specs = select("axon-demo", ()).sources
    wanted = Settings(map_folder=tmp_path, **settings)
    return Mapper(wanted, of or sources(), specs, None, None)  # type: ignore[arg-type]


def test_the_committed_map_is_that_of_the_committed_weights(tmp_path: Path) -> None:
    assert BUNDLED.stat().st_size <= 100_000
    found = mapper(tmp_path).find(mapper(tmp_path).plan().hash)
    assert found is not None, "run python -m axon_inference map, and copy its file"
    first = found.first()
    decoders = [
        load_file(s.folder / "sae_weights.safetensors")["W_dec"]
        for s in select("axon-demo", ()).sources
    ]
    for index, rows_ in enumerate(decoders):
        own = found.places[first[index] : first[index] + len(rows_)]
        recall = making.recall_of(own, nearest(unit(rows_), 10).numpy())
        assert recall == pytest.approx(found.storeys[index].recall, abs=1e-3)
        assert recall > 0.25
    apart = np.linalg.norm(
        found.places[found.lower].astype(float) - found.places[found.upper].astype(float), axis=1
    )
    assert np.median(apart) / WIDTH == pytest.approx(found.kin_distance, abs=1e-4)
    assert found.kin_distance <= 0.03
    assert len(found.large) >= 60
    assert 12 <= found.large.max() + 1 <= 20


def test_most_kin_on_the_bundled_map_are_about_the_same() -> None:
    found = kept.load(BUNDLED)
    labels: dict[int, str] = {}
    for storey, first in zip(found.storeys, found.first(), strict=True):
        for file in (BUNDLED_MODEL / "labels" / storey.id / "explanations").glob("*.gz"):
            for line in gzip.decompress(file.read_bytes()).splitlines():
                row = json.loads(line)
                labels[first + int(row["index"])] = row["description"]
    pairs = zip(found.lower.tolist(), found.upper.tolist(), strict=True)
    same = [labels[a] == labels[b] for a, b in pairs if a in labels and b in labels]
    by_chance = (
        sum(np.square(list(map(list(labels.values()).count, set(labels.values())))))
        / len(labels) ** 2
    )
    assert np.mean(same) > 30 * by_chance
    assert np.mean(same) > 0.33


def test_a_map_of_other_weights_is_never_found(made: FeatureMap, tmp_path: Path) -> None:
    one = mapper(tmp_path)
    assert one.find("1" * 16) is None
    # Not under a name that it does not deserve, either.
    kept.save(made, one.path("1" * 16))
    assert one.find("1" * 16) is None
    kept.save(made, one.path(made.hash))
    found = one.find(made.hash)
    assert found is not None
    assert found.hash == made.hash
    one.path(made.hash).write_bytes(b"damaged")
    assert one.find(made.hash) is None


def test_the_hash_changes_with_weights_and_sources(tmp_path: Path) -> None:
    specs = select("axon-demo", ()).sources
    whole = Plan.of(sources(), specs)
    assert whole == Plan.of(sources(), specs)
    assert Plan.of(sources()[:4], specs[:4]).hash != whole.hash
    assert Plan.of(sources(), [specs[1], specs[0], *specs[2:]]).hash != whole.hash


def test_storeys_are_in_the_order_of_layers_and_those_apart_come_last() -> None:
    specs = select("axon-demo", ()).sources
    mixed = list(reversed(sources()))
    mixed[1].writes_residual, mixed[1].writes_to = False, "blocks.3.attn.hook_z"
    plan = Plan.of(mixed, list(reversed(specs)))
    assert [storey.layer for storey in plan.storeys] == [0, 1, 2, 4, 3]
    assert plan.sources == (4, 3, 2, 0, 1)
    assert "blocks.3.attn.hook_z" in plan.storeys[-1].apart
    assert not plan.storeys[0].apart


def test_a_folder_that_cannot_be_written_costs_a_warning(
    made: FeatureMap, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    mapper(tmp_path / "file").keep(made)
    assert "cannot be kept" in caplog.text


def test_maps_can_be_switched_off_and_need_the_residual_stream(tmp_path: Path) -> None:
    assert "AXON_MAP" in mapper(tmp_path, map="off").why_none
    assert not mapper(tmp_path).why_none
    none = sources()
    for source in none:
        source.writes_residual = False
    assert "residual stream" in mapper(tmp_path, none).why_none
