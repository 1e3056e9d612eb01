"""Downloads from a fake Hugging Face hub."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from axon_inference.catalog import downloads
from axon_inference.catalog import hub as hub_module
from axon_inference.catalog.downloads import HubError, HubUnreachable, readable
from axon_inference.catalog.hub import Want, fetch, snapshot
from axon_inference.errors import Passing
from huggingface_hub import constants

from ...fake_hub import FakeHub

MODEL = "some/model"
WEIGHTS = bytes(range(256)) * 1000
FILES = {
    "config.json": b'{"model_type": "gpt2"}',
    "tokenizer.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"the same again",
    "onnx/model.onnx": b"and again",
    "README.md": b"# A model",
}


@pytest.fixture
def hub(fake_hub: FakeHub) -> FakeHub:
    fake_hub.repositories[MODEL] = dict(FILES)
    return fake_hub


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the second that huggingface_hub waits before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def told(wants: list[Want]) -> list[str]:
    lines: list[str] = []
    fetch(wants, lines.append)
    return lines


def test_a_model_is_downloaded_once_and_in_one_format(hub: FakeHub) -> None:
    first, *_, last = told([Want(MODEL)])
    folder = snapshot(MODEL)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    }
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert MODEL in first
    assert "256 kB in 3 files" in first
    assert last.startswith("downloaded some/model: 256 kB of 256 kB")
    hub.broken = True  # files in the cache are not asked for
    assert told([Want(MODEL)]) == []


def test_the_small_files_can_be_downloaded_alone(hub: FakeHub) -> None:
    told([Want(MODEL, weights=False)])
    assert not (snapshot(MODEL) / "model.safetensors").exists()
    told([Want(MODEL)])
    assert hub.ranges("config.json") == [""]
    assert (snapshot(MODEL) / "model.safetensors").read_bytes() == WEIGHTS


def test_weights_in_parts(hub: FakeHub) -> None:
    files = hub.repositories[MODEL]
    del files["model.safetensors"]
    parts = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    files.update(dict.fromkeys(parts, b"a part"))
    files["model.safetensors.index.json"] = b'{"weight_map": {"a": "%s", "b": "%s"}}' % tuple(
        p.encode() for p in parts
    )
    told([Want(MODEL)])
    assert all((snapshot(MODEL) / part).exists() for part in parts)
    (snapshot(MODEL) / parts[1]).unlink()
    assert Want(MODEL).missing() == [parts[1]]


def test_named_files_of_a_repository(hub: FakeHub) -> None:
    hub.repositories["some/saes"] = {"a/cfg.json": b"{}", "a/w.npz": b"1234", "b/w.npz": b"no"}
    want = Want("some/saes", ("a/w.npz",), optional=("a/cfg.json", "a/none.json"))
    told([want])
    assert not want.missing()
    assert want.path("a/cfg.json")
    assert not want.path("b/w.npz")
    with pytest.raises(HubError, match=r"some/saes has no c/w\.npz"):
        told([Want("some/saes", ("c/w.npz",))])


@pytest.mark.usefixtures("impatient")
def test_a_broken_download_resumes_where_it_ended(hub: FakeHub) -> None:
    told([Want(MODEL, weights=False)])
    hub.cuts = {"model.safetensors": [100_000, 50_000]}
    told([Want(MODEL)])
    assert hub.ranges("model.safetensors") == ["", "bytes=100000-", "bytes=150000-"]
    assert (snapshot(MODEL) / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.usefixtures("impatient")
def test_a_failed_download_resumes_at_the_next_start(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    told([Want(MODEL, weights=False)])
    hub.cuts = {"model.safetensors": [100_000, *[0] * 6]}
    with pytest.raises(HubError, match=r"broke off.*is kept.*hf download some/model"):
        told([Want(MODEL)])
    hub.cuts = {}
    asked = len(hub.asked)
    lines = told([Want(MODEL)])
    assert "of which 100 kB are here already" in lines[0]
    assert [range_ for _, range_, _ in hub.asked[asked:]] == ["bytes=100000-"]
    assert (snapshot(MODEL) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_partial_file_with_other_content_is_detected(hub: FakeHub) -> None:
    told([Want(MODEL, weights=False)])
    blobs = snapshot(MODEL).parents[1] / "blobs"
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    (blobs / f"{digest}.incomplete").write_bytes(b"x" * 1000)
    with pytest.raises(HubError, match="came damaged; start again"):
        told([Want(MODEL)])
    told([Want(MODEL)])
    assert (snapshot(MODEL) / "model.safetensors").read_bytes() == WEIGHTS


def test_progress_is_reported_in_lines(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_SECONDS_BETWEEN_LINES", 0)
    lines = told([Want(MODEL)])
    assert len(lines) > 100
    assert any("downloading some/model: 128 kB of 256 kB, " in line for line in lines)


def test_the_refusal_of_a_gated_repository_says_how_to_get_access(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add(MODEL)
    with pytest.raises(HubError, match=rf"gated.*{MODEL}, make a token.*set HF_TOKEN"):
        told([Want(MODEL)])
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(HubError, match=r"account of your token \(HF_TOKEN\), which may not read"):
        told([Want(MODEL)])
    hub.tokens["hf_mine"] = {MODEL}
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    told([Want(MODEL)])
    assert (snapshot(MODEL) / "model.safetensors").read_bytes() == WEIGHTS


def test_an_unknown_repository(hub: FakeHub) -> None:
    with pytest.raises(HubError, match=r"has no repository no/such, or a private one: check") as no:
        told([Want("no/such")])
    assert not isinstance(no.value, Passing)


@pytest.mark.usefixtures("impatient")
def test_an_unreachable_hub(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1:9 cannot be reached.*config\.json"):
        told([Want(MODEL)])


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.usefixtures("impatient")
def test_an_error_of_the_hub_may_be_temporary(hub: FakeHub, status: int) -> None:
    hub.trouble = status
    with pytest.raises(HubUnreachable, match=f"answered {status} for some/model"):
        told([Want(MODEL)])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_an_error_of_the_disk_is_not_taken_for_one_of_the_hub(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hub_module, "download", fail)
    with pytest.raises(HubError, match=r"cannot be written: .*HF_HOME") as failed:
        told([Want(MODEL)])
    assert not isinstance(failed.value, Passing)


def test_offline_all_missing_files_are_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    wants = [Want(MODEL), Want("some/saes", ("a/w.npz",))]
    with pytest.raises(HubError) as refused:
        told(wants)
    for part in (
        "HF_HUB_OFFLINE",
        "some/model: config.json, tokenizer.json, model.safetensors; some/saes: a/w.npz",
        "`hf download some/model && hf download some/saes a/w.npz`",
        constants.HF_HUB_CACHE,
    ):
        assert part in str(refused.value)
    assert hub.asked == []


def test_a_download_larger_than_the_free_disk_is_refused(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_usage(path: Path) -> Any:
        return type("Usage", (), {"free": 100_000})

    monkeypatch.setattr(downloads.shutil, "disk_usage", disk_usage)
    with pytest.raises(HubError, match=r"256 kB are to be downloaded, but only 100 kB.*HF_HOME"):
        told([Want(MODEL)])


@pytest.mark.parametrize(
    ("count", "text"),
    [(999, "1 kB"), (548_105_171, "548 MB"), (999_600_000, "1.0 GB"), (10_457_000_000, "10.5 GB")],
)
def test_sizes_are_rounded_for_reading(count: int, text: str) -> None:
    assert readable(count) == text
