"""`/api/map` and `axon map`: one binary for pages, a file for notebooks."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from axon import AsyncClient, AxonError, Client
from axon.feature_map import NONE, FeatureMap, MapDistrict, MapProgress, MapSource
from axon.v1 import inference_pb2 as pb
from axon_gateway.config import Settings
from axon_gateway.maps.drawing import draw
from axon_gateway.maps.naming import plain, typical

from tests.unit.client.test_cli import axon

from ...patience import eventually
from .fake_inference import Failure, FakeInference
from .harness import Running, running, write_labels

GZIP = {"Accept-Encoding": "gzip"}


def parts(weights: str = "a" * 16, model: str = "fake") -> list[pb.GetMapResponse]:
    """Two sources of four features; the first two of each are in one small district."""
    sources = [
        pb.MapSource(id=f"{model}/{n}-res", width=4, layer=n, storey=n, recall=0.5) for n in (0, 1)
    ]
    started = pb.MapStarted(model=model, hash=weights, seed=3, sources=sources, kin_distance=0.02)
    districts = [
        pb.MapDistrict(level=0, parent=0, x=5, y=6, radius=7, features=8, promoted=[" Rome", "!!"]),
        pb.MapDistrict(level=1, parent=0, x=1, y=2, radius=3, features=4, promoted=["\n", " cat"]),
        pb.MapDistrict(level=1, parent=0, x=8, y=9, radius=1, features=3, promoted=[" dog"]),
    ]
    return [
        pb.GetMapResponse(started=started),
        pb.GetMapResponse(
            places=pb.MapPlaces(source=0, x=[0, 1, 2, 3], y=[9, 8, 7, 6], district=[1, 1, 2, 2])
        ),
        pb.GetMapResponse(places=pb.MapPlaces(source=1, x=[10, 11], y=[65535, 0], district=[1, 1])),
        pb.GetMapResponse(
            places=pb.MapPlaces(source=1, first=2, x=[12, 13], y=[1, 2], district=[2, NONE])
        ),
        pb.GetMapResponse(districts=pb.MapDistricts(districts=districts)),
        pb.GetMapResponse(
            kin=pb.MapKin(
                source=[0, 0], feature=[0, 2], above_source=[1, 1], above=[3, 1], cosine=[1.0, 0.5]
            )
        ),
    ]


def read(body: bytes) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The header and the sections of a binary, by what docs/frames.md says of it."""
    size = int.from_bytes(body[:4], "little")
    header = json.loads(body[4 : 4 + size])
    kinds = {"x": "H", "y": "H", "district": "H", "kin": "I", "cosine": "B"}
    found = {}
    for name, (offset, count) in header["sections"].items():
        assert offset % 4 == 0
        column = array(kinds[name])
        column.frombytes(body[offset : offset + count * column.itemsize])
        found[name] = column.tolist()
    return header, found


async def get(gateway: Running, query: str = "", **headers: str) -> Any:
    return await gateway.http.get(f"{gateway.url}/api/map{query}", headers=headers)


async def there(gateway: Running) -> Any:
    """The answer once there is a map."""

    async def is_there() -> bool:
        return bool((await get(gateway)).status != 202)

    await eventually(is_there)
    return await get(gateway)


@pytest.fixture
def inference_with_map(inference: FakeInference) -> FakeInference:
    inference.map = parts()
    return inference


async def test_the_map_is_one_binary(inference_with_map: FakeInference, gateway: Running) -> None:
    answer = await there(gateway)
    assert answer.status == 200
    header, found = read(await answer.read())
    assert header["version"] == 1
    assert (header["model"], header["seed"], header["kin_distance"]) == ("fake", 3, 0.02)
    names = ("id", "width", "layer", "storey", "first", "recall", "apart")
    values = ("fake/1-res", 4, 1, 1, 4, 0.5, "")
    assert header["sources"][1] == dict(zip(names, values, strict=True))
    assert found["x"] == [0, 1, 2, 3, 10, 11, 12, 13]
    assert found["y"] == [9, 8, 7, 6, 65535, 0, 1, 2]
    assert found["district"] == [1, 1, 2, 2, 1, 1, 2, 65535]
    assert found["kin"] == [7, NONE, 5, NONE, NONE, NONE, NONE, NONE]
    assert found["cosine"] == [255, 0, 128, 0, 0, 0, 0, 0]


async def test_without_labels_districts_are_named_by_the_tokens_that_they_promote(
    settings: Settings,
) -> None:
    async with FakeInference(name="bare") as inference:
        inference.map = parts(model="bare")
        async with running(replace(settings, inference=inference.address)) as gateway:
            header, _ = read(await (await there(gateway)).read())
    names = [(one["name"], one["provisional"], one["parent"]) for one in header["districts"]]
    assert names == [("Rome", True, 0), ("cat", True, 0), ("dog", True, 0)]


async def test_districts_are_named_by_their_labels_once_they_are_there(
    settings: Settings, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axon_gateway.maps.collection._AGAIN", 0)
    animals = {0: "the river bank", 1: "a river", 2: "a horse", 3: "the horse"}
    write_labels(labels, "zoo/0-res", animals)
    async with FakeInference(name="zoo") as inference:
        inference.map = parts(model="zoo")
        async with running(replace(settings, inference=inference.address)) as gateway:

            async def named() -> bool:
                header, _ = read(await (await there(gateway)).read())
                names = [(one["name"], one["provisional"]) for one in header["districts"]]
                return names[1:] == [("river", False), ("horse", False)]

            await eventually(named)


async def test_a_cache_may_keep_a_map_by_its_hash(
    inference_with_map: FakeInference, gateway: Running
) -> None:
    answer = await there(gateway)
    tag = answer.headers["ETag"]
    hash_ = tag.strip('"')
    assert answer.headers["Cache-Control"] == "no-cache"
    assert read(await answer.read())[0]["hash"] == hash_
    kept = await get(gateway, f"?v={hash_}")
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    # Not under another's name.
    assert (await get(gateway, "?v=0123")).headers["Cache-Control"] == "no-cache"
    same = await get(gateway, **{"If-None-Match": tag})
    assert (same.status, await same.read()) == (304, b"")
    assert (await get(gateway, **{"If-None-Match": '"other"'})).status == 200
    model = await (await gateway.http.get(f"{gateway.url}/api/model")).json()
    assert model["map"] == {"hash": hash_, "stage": "", "done": 1.0}


async def test_the_map_is_compressed_for_those_who_take_gzip(
    inference_with_map: FakeInference, gateway: Running
) -> None:
    await there(gateway)
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        url = f"{gateway.url}/api/map"
        small = await http.get(url, headers=GZIP)
        assert small.headers["Content-Encoding"] == "gzip"
        plain_ = await http.get(url, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain_.headers
        assert gzip.decompress(await small.read()) == await plain_.read()
        assert small.headers["Vary"] == "Accept-Encoding"


async def test_while_it_is_made_its_progress_is_told(
    inference: FakeInference, gateway: Running
) -> None:
    inference.map = [pb.GetMapResponse(progress=pb.MapProgress(stage="laying out", done=0.5))]
    inference.map_goes_on = asyncio.Event()

    async def is_told() -> bool:
        answer = await get(gateway)
        assert answer.status == 202
        return bool((await answer.json())["stage"] == "laying out")

    await eventually(is_told)
    told = await (await get(gateway)).json()
    assert told == {"state": "making", "stage": "laying out", "done": 0.5}
    model = await (await gateway.http.get(f"{gateway.url}/api/model")).json()
    assert model["map"] == {"hash": None, "stage": "laying out", "done": 0.5}
    inference.map += parts()
    inference.map_goes_on.set()
    assert (await there(gateway)).status == 200


async def test_a_service_without_a_map_has_none(inference: FakeInference, gateway: Running) -> None:
    inference.no_map = Failure(grpc.StatusCode.FAILED_PRECONDITION, "this server makes no map")
    answer = await there(gateway)
    assert answer.status == 404
    body = await answer.json()
    assert (body["error"], body["message"]) == ("no_map", "this server makes no map")
    model = await (await gateway.http.get(f"{gateway.url}/api/model")).json()
    assert model["map"] is None


async def test_a_service_that_ends_before_the_map_began_is_waited_for(
    inference: FakeInference, gateway: Running
) -> None:
    inference.map = []
    await get(gateway)
    [state] = gateway.gateway.maps._states.values()
    assert state.reading
    await state.reading
    answer = await get(gateway)
    assert (answer.status, (await answer.json())["stage"]) == (202, "waiting for the service")
    inference.map = parts()
    assert (await there(gateway)).status == 200


async def test_a_map_of_older_weights_is_never_shown(
    inference_with_map: FakeInference, gateway: Running
) -> None:
    before = (await there(gateway)).headers["ETag"]
    port = inference_with_map.port
    await inference_with_map.stop()
    inference_with_map.map = parts("b" * 16)
    await inference_with_map.start(port)

    async def is_another() -> bool:
        return bool((await there(gateway)).headers["ETag"] != before)

    await eventually(is_another)
    hash_ = read(await (await there(gateway)).read())[0]["hash"]
    assert hash_.startswith("b" * 16 + "-")


def large() -> FeatureMap:
    """13 x 24,576 features, placed at random, which compresses worst."""
    chance, width = random.Random(0), 24_576
    count = 13 * width
    found = FeatureMap("m", "a" * 16, 0, 0.02, tuple(
        MapSource(f"m/{n}", width, n, n, 0.4, "") for n in range(13)
    ))  # fmt: skip
    found.districts = tuple(
        MapDistrict(int(n >= 16), n % 16, 1, 1, 1, 1, (" a",)) for n in range(126)
    )
    for name in ("x", "y"):
        column = array("H", chance.randbytes(2 * count))
        setattr(found, name, array("I", column))
    found.district = array("I", (16 + byte % 110 for byte in chance.randbytes(count)))
    found.kin = array("I", [NONE]) * count
    found.cosine = array("f", (byte / 255 for byte in chance.randbytes(count)))
    above = chance.sample(range(width), width)
    for index in range(0, 12 * width, 2):  # half of all features have kin
        storey, feature = divmod(index, width)
        found.kin[index] = (storey + 1) * width + above[(feature + 977 * storey) % width]
    return found


def test_320_000_features_take_less_than_3_mb() -> None:
    found = large()
    begun = time.process_time()
    drawn = draw(found, lambda source, width: [None] * width)
    assert time.process_time() - begun < 10
    assert len(drawn.body) < 3_000_000


def test_a_district_is_named_by_the_phrases_that_set_its_labels_apart() -> None:
    breaks = [*["line breaks"] * 9, *["line breaks in texts about programs"] * 3]
    market = [*["texts about the market"] * 9, *["a price in texts about the market"] * 3]
    days = [*['the word "Monday"'] * 9, *['the word "Friday" or the word "x"'] * 6]
    words = [f'the word "{letter}"' for letter in "abcdefghijklmnopqrstuvwxyz"]
    names = typical([breaks, market, days, words])
    assert names == [
        "line breaks, texts about programs",
        "texts about the market, price",
        "monday, friday",
        "",
    ]


def test_tokens_without_letters_name_no_district() -> None:
    assert (
        plain([" ", "\n", " Paris", "Paris", "12", " Rome", " Oslo", " Bern"])
        == "Paris, Rome, Oslo"
    )
    assert plain(["!", "  "]) == ""


async def test_the_client_reads_the_map(inference_with_map: FakeInference) -> None:
    told: list[MapProgress] = []
    progress = pb.GetMapResponse(progress=pb.MapProgress(stage="s", done=0.25))
    inference_with_map.map = [progress, *parts()]
    async with AsyncClient(inference_with_map.address) as client:
        found = await client.get_map(on_progress=told.append)
    assert told == [MapProgress("s", 0.25)]
    assert found.districts[1].promoted == ("\n", " cat")
    columns = found.columns()
    assert columns["source"][3:5] == ["fake/0-res", "fake/1-res"]
    assert columns["kin_source"][:3] == ["fake/1-res", None, "fake/1-res"]
    assert columns["kin_feature"][:3] == [3, None, 1]
    assert columns["kin_cosine"][:3] == [1.0, None, 0.5]
    assert columns["large_district"][-2:] == [0, None]


async def test_a_stream_that_ends_before_the_map_is_an_error(inference: FakeInference) -> None:
    inference.map = []

    def ask() -> None:
        with Client(inference.address) as client:
            client.get_map()

    with pytest.raises(AxonError, match="before the map began"):
        await asyncio.to_thread(ask)


async def test_axon_map_says_how_good_it_is_and_writes_a_file(
    inference_with_map: FakeInference, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    code, out, _ = await axon("map", "--address", inference_with_map.address)
    assert code == 0
    assert "fake/1-res  4 features  recall of the 10 nearest 0.50" in out
    assert "2 pairs of kin, at 2.0% of the map's width" in out
    assert "1 large districts, 2 small ones" in out
    file = tmp_path / "map.parquet"
    code, out, _ = await axon(
        "map", "--address", inference_with_map.address, "--json", "--parquet", str(file)
    )
    assert (code, json.loads(out)["hash"]) == (0, "a" * 16)
    assert parquet.read_table(file).column("x").to_pylist() == [0, 1, 2, 3, 10, 11, 12, 13]


def test_without_pyarrow_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AxonError, match=r"axon-client\[parquet\]"):
        FeatureMap("m", "a", 0, 0.0, ()).write_parquet(tmp_path / "x")
