"""Label files and overrides with arbitrary contents: correct rows are still found."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from axon_gateway.config import Settings
from axon_service.settings import SettingsError
from hypothesis import strategies as st

from ..integration.gateway import harness
from ..integration.gateway.fake_inference import WIDTH
from . import mutation
from .inputs import fuzz
from .subjects import PATIENCE

_EXPLANATION = {
    "modelId": "fake",
    "layer": "0-res",
    "index": "7",
    "description": "capitals",
    "explanationModelName": "counted",
    "scores": [{"value": 0.5}],
}
_STATISTICS = {"index": "7", "maxActApprox": 4.5, "frac_nonzero": 0.01}
_KINDS = {"explanations": _EXPLANATION, "features": _STATISTICS}
_INDICES = [*map(str, mutation.EDGES), "9" * 4000, "1_0", " 7", "7.0", "\u0667", "0x7"]
_row = st.one_of(
    st.tuples(st.sampled_from([*_INDICES, *mutation.EDGES]), st.just("label"), st.just("index")),
    st.tuples(mutation.values, st.just("label"), st.sampled_from(list(_EXPLANATION))),
    st.tuples(mutation.edits, st.just("edits"), st.just("")),
    st.tuples(mutation.byte_edits, st.just("bytes"), st.just("")),
    st.tuples(st.integers(0, 1000), st.just("deep"), st.just("")),
)
_line = st.tuples(st.sampled_from(list(_KINDS)), _row)
_GOOD = {index: f"good label {index}" for index in range(0, WIDTH, 8)}
#: Their scores are higher than any drawn score, since a drawn row may be valid and must not win.
_ROWS = "".join(
    json.dumps({"index": str(index), "description": label, "scores": [{"value": 1e308}]}) + "\n"
    for index, label in _GOOD.items()
).encode()


def _bytes(kind: str, row: tuple[Any, str, str]) -> bytes:
    """A line of a label file."""
    value, how, key = row
    if how == "label":
        text = json.dumps({**_KINDS[kind], key: value})
    elif how == "deep":
        text = '{"index":"7","description":' + "[" * value * 100
    else:
        text = json.dumps(mutation.edited(_KINDS[kind], value if how == "edits" else []))
    data = text.encode(errors="surrogatepass")
    return (mutation.bytes_edited(data, value) if how == "bytes" else data).replace(b"\n", b" ")


@pytest.fixture
def settings(folder: Path, redis_url: str, inference: str) -> Settings:
    """Settings of a gateway with these labels and its own database in Redis."""
    url = redis_url.removesuffix("/0") + "/1"
    return Settings(
        inference=inference,
        redis_url=url,
        labels=folder,
        page=None,
        neuronpedia_export="",
        neuronpedia_api="",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "labels"


@fuzz(_line, batch=100, share=0.5)
def test_a_bad_row_loses_only_itself(folder: Path, settings: Settings, drawn: list[Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    harness.write_labels(folder, "fake/0-res", {})
    (folder / "fake/0-res/explanations/good.jsonl").write_bytes(_ROWS)
    for kind, row in drawn:
        with (folder / "fake/0-res" / kind / "fuzz.jsonl").open("ab") as lines:
            lines.write(_bytes(kind, row) + b"\n")
    asyncio.run(_finds_the_good_ones(settings))


async def _finds_the_good_ones(settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as emptied:
        emptied.flushdb()
    async with harness.running(settings) as gateway:
        search = f"{gateway.url}/api/features?label=good+label&limit=100"
        found: set[tuple[int, str]] = set()
        deadline = time.monotonic() + PATIENCE
        while not found >= set(_GOOD.items()):
            async with gateway.http.get(search) as answer:
                told = await answer.json()
                assert answer.status == 200, told
            found = {(hit["index"], hit["label"]) for hit in told["features"]}
            assert time.monotonic() < deadline, found
        async with gateway.http.get(f"{gateway.url}/api/features/fake/0-res?index=8,16") as answer:
            assert answer.status == 200
        body = {"prompt": "x"}
        async with gateway.http.post(f"{gateway.url}/api/generate", json=body) as answer:
            lines = [json.loads(line) for line in (await answer.read()).splitlines()]
            assert "finished" in {line["type"] for line in lines}


_NAMES = ["fake/0-res/7", "7", "a/b/-1", "a//7", "fake/0-res/" + "9" * 4500, "fake/0-res/\u0667"]
_overrides = st.one_of(
    st.dictionaries(st.just("fake/0-res/7"), mutation.text, min_size=1),
    st.dictionaries(
        st.one_of(st.sampled_from(_NAMES), mutation.text),
        st.one_of(mutation.text, mutation.values),
        max_size=3,
    ),
    mutation.values,
)
_written = st.tuples(_overrides, st.one_of(st.just([]), mutation.byte_edits), st.booleans())


@fuzz(_written, share=0.25)
def test_overrides_are_read_or_refused_by_name(folder: Path, drawn: Any) -> None:
    document, edits, escaped = drawn
    folder.mkdir(exist_ok=True)
    path = folder / "overrides.json"
    text = json.dumps(document, ensure_ascii=escaped).encode(errors="surrogatepass")
    path.write_bytes(mutation.bytes_edited(text, edits))
    try:
        found = Settings.from_environment({"AXON_LABEL_OVERRIDES": str(path)}).label_overrides
    except SettingsError:
        return
    for (source, index), label in found.items():
        source.encode()
        label.encode()
        assert 0 <= index < 2**32


_file = st.tuples(
    st.sampled_from(["x.jsonl", "x.jsonl.gz", "batch-0.jsonl.gz"]),
    st.sampled_from(["folder", "dangling", "loop", "empty", "bytes", "bytes", "other packing"]),
    mutation.byte_edits,
)


@fuzz(_file, batch=5, share=0.25)
def test_a_bad_file_loses_only_itself(folder: Path, settings: Settings, drawn: list[Any]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    harness.write_labels(folder, "fake/0-res", {})
    place = folder / "fake/0-res/explanations"
    (place / "good.jsonl").write_bytes(_ROWS)
    lines = _ROWS.replace(b"1e+308", b"0.5")
    for number, (name, what, edits) in enumerate(drawn):
        path = place / f"{number}-{name}"
        if what == "folder":
            path.mkdir()
        elif what in ("dangling", "loop"):
            path.symlink_to(path if what == "loop" else place / "nowhere")
        else:
            data = (
                gzip.compress(lines) if name.endswith("gz") != (what == "other packing") else lines
            )
            path.write_bytes(b"" if what == "empty" else mutation.bytes_edited(data, edits))
    asyncio.run(_finds_the_good_ones(settings))
