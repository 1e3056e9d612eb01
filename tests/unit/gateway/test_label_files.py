"""Label files: the best explanation wins, damage costs only what is damaged."""

from __future__ import annotations

import gzip
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.files import write as write_file
from axon_gateway.labels.records import FeatureRecord

SOURCE = "m/0-res"


def row(index: int, description: object, **more: object) -> dict[str, Any]:
    return {"index": str(index), "description": description, "typeName": "counted", **more}


def write(folder: Path, name: str, rows: list[object], cut: int | None = None) -> Path:
    path = folder / SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:cut])
    return path


def test_explanations_and_statistics_meet_in_one_record(tmp_path: Path) -> None:
    scores = [{"value": 0.25}, {"value": 0.75}]
    write(tmp_path, "explanations/batch-0.jsonl.gz", [row(1, " cats ", scores=scores)])
    write(
        tmp_path,
        "features/batch-0.jsonl.gz",
        [{"index": "1", "maxActApprox": 8.5, "frac_nonzero": 0.004}, {"index": "2"}],
    )
    assert LabelFiles(tmp_path).read(SOURCE) == {
        1: FeatureRecord("cats", "counted", 0.75, 0.004, 8.5),
        2: FeatureRecord(),
    }


def test_the_best_score_wins_and_the_first_among_equals(tmp_path: Path) -> None:
    write(
        tmp_path,
        "explanations/batch-0.jsonl.gz",
        [
            row(1, "first"),
            row(1, "unscored"),
            row(2, "low", scores=[{"value": 0.1}]),
            row(2, "high", scores=[{"value": 0.9}]),
            row(2, "same", scores=[{"value": 0.9}]),
        ],
    )
    records = LabelFiles(tmp_path).read(SOURCE)
    assert (records[1].label, records[2].label) == ("first", "high")


def test_batches_are_all_read(tmp_path: Path) -> None:
    for batch in range(12):
        write(tmp_path, f"explanations/batch-{batch}.jsonl.gz", [row(batch, f"label {batch}")])
    assert len(LabelFiles(tmp_path).read(SOURCE)) == 12


@pytest.mark.parametrize(
    "bad", ["{", "[]", '{"index": "x", "description": "d"}', '{"index": "1"}', "null"]
)
def test_a_malformed_row_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    write(tmp_path, "explanations/batch-0.jsonl.gz", [bad, row(5, "fine"), row(6, "")])
    with caplog.at_level(logging.WARNING):
        records = LabelFiles(tmp_path).read(SOURCE)
    assert {index: record.label for index, record in records.items()} == {5: "fine"}
    assert "2 rows are malformed" in caplog.text


def test_a_file_cut_off_gives_what_is_before_the_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[object] = [row(index, f"label {index * 7919}") for index in range(2000)]
    write(tmp_path, "explanations/batch-0.jsonl.gz", rows, cut=-2000)
    write(tmp_path, "explanations/batch-1.jsonl.gz", [row(5000, "whole")])
    with caplog.at_level(logging.WARNING):
        records = LabelFiles(tmp_path).read(SOURCE)
    assert 0 < len(records) < 2001
    assert records[5000].label == "whole"
    assert "damaged" in caplog.text


def test_a_score_that_failed_costs_only_itself(tmp_path: Path) -> None:
    scores = [{"value": None}, {"value": 0.5}, {}, "x", {"value": "nan"}]
    write(
        tmp_path,
        "explanations/batch-0.jsonl.gz",
        [row(1, "cats", scores=scores), row(2, "dogs", scores=[{"value": None}])],
    )
    records = LabelFiles(tmp_path).read(SOURCE)
    assert (records[1].label, records[1].score) == ("cats", 0.5)
    assert (records[2].label, records[2].score) == ("dogs", None)


def test_files_may_be_plain(tmp_path: Path) -> None:
    path = tmp_path / SOURCE / "explanations" / "mine.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(row(3, "by hand")) + "\n")
    assert LabelFiles(tmp_path).read(SOURCE)[3].label == "by hand"


def test_the_first_folder_that_has_a_source_counts(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    write(mine, "explanations/batch-0.jsonl.gz", [row(1, "mine")])
    write(theirs, "explanations/batch-0.jsonl.gz", [row(1, "theirs"), row(2, "theirs")])
    assert LabelFiles(mine, theirs).read(SOURCE).keys() == {1}
    assert LabelFiles(tmp_path, None, theirs).read(SOURCE).keys() == {1, 2}


def test_a_written_file_is_read_and_leaves_no_draft(tmp_path: Path) -> None:
    data = gzip.compress(json.dumps(row(1, "kept")).encode())
    write_file(tmp_path, SOURCE, "explanations", "batch-0.jsonl.gz", data)
    assert LabelFiles(tmp_path).read(SOURCE)[1].label == "kept"
    assert [path.name for path in tmp_path.rglob("*.*")] == ["batch-0.jsonl.gz"]


def test_no_folder_and_no_files_are_no_labels(tmp_path: Path) -> None:
    assert LabelFiles(None).read(SOURCE) == {}
    assert LabelFiles(tmp_path).read(SOURCE) == {}


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    files = LabelFiles(tmp_path)
    empty = files.fingerprint(SOURCE)
    write(tmp_path, "explanations/batch-0.jsonl.gz", [row(1, "a")])
    one = files.fingerprint(SOURCE)
    write(tmp_path, "explanations/batch-0.jsonl.gz", [row(1, "another")])
    other = files.fingerprint(SOURCE)
    assert empty is None
    assert len({one, other}) == 2
    # As it is after copying to another machine.
    os.utime(tmp_path / SOURCE / "explanations" / "batch-0.jsonl.gz", (1, 1))
    assert files.fingerprint(SOURCE) == other
