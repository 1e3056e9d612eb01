"""Label files: the best explanation is used, and damage loses only what is damaged."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest
from axon_gateway.labels.files import LabelFiles
from axon_gateway.labels.files import write as write_file
from axon_gateway.labels.records import FeatureRecord, Records, from_api
from axon_gateway.labels.table import LabelTable
from hypothesis import given, settings
from hypothesis import strategies as st

SOURCE = "m/0-res"


def row(index: int, description: object, **more: object) -> dict[str, Any]:
    return {"index": str(index), "description": description, "typeName": "counted", **more}


def write(folder: Path, name: str, rows: list[object], cut: int | None = None) -> Path:
    path = folder / SOURCE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:cut])
    return path


def test_explanations_and_statistics_are_joined_in_one_record(tmp_path: Path) -> None:
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


def test_the_best_score_is_used_and_the_first_of_equal_ones(tmp_path: Path) -> None:
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


def test_all_batches_are_read(tmp_path: Path) -> None:
    for batch in range(12):
        write(tmp_path, f"explanations/batch-{batch}.jsonl.gz", [row(batch, f"label {batch}")])
    assert len(LabelFiles(tmp_path).read(SOURCE)) == 12


@pytest.mark.parametrize(
    "bad", ["{", "[]", '{"index": "x", "description": "d"}', '{"index": "1"}', "null"]
)
def test_a_malformed_row_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    write(tmp_path, "explanations/batch-0.jsonl.gz", [bad, row(5, "fine"), row(6, "")])
    with caplog.at_level(logging.WARNING):
        records = LabelFiles(tmp_path).read(SOURCE)
    assert {index: record.label for index, record in records.items()} == {5: "fine"}
    assert "2 rows are left out" in caplog.text


@pytest.mark.parametrize(
    "index", [-5, 2**70, 1e29, 2**32, True, None, "-5", "٣", "9" * 4000, "1e3", "", 1.0]
)
def test_an_impossible_index_loses_only_its_own_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, index: object
) -> None:
    bad = {"index": index, "description": "bad"}
    path = write(tmp_path, "explanations/batch-0.jsonl.gz", [bad, row(5, "fine")])
    with caplog.at_level(logging.WARNING):
        assert LabelFiles(tmp_path).read(SOURCE) == {5: FeatureRecord("fine", "counted")}
    [message] = caplog.messages
    assert str(path) in message
    assert "1 row is left out" in message
    assert "row 1: index must be" in message


def test_many_bad_rows_are_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[object] = ["[" * 5000, '{"index": "1", "description": "\\ud800"}', "\x00"]
    write(tmp_path, "explanations/batch-0.jsonl.gz", [*rows * 100, row(5, "fine")])
    with caplog.at_level(logging.WARNING):
        assert LabelFiles(tmp_path).read(SOURCE).keys() == {5}
    [message] = caplog.messages
    assert "300 rows are left out" in message
    assert "row 1: not JSON" in message
    assert len(message) < 1000


def test_entries_that_are_not_files_are_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "explanations/batch-0.jsonl.gz", [row(5, "fine")])
    folder = tmp_path / SOURCE / "explanations"
    (folder / "folder.jsonl").mkdir()
    (folder / "dangling.jsonl").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.jsonl")
    with caplog.at_level(logging.WARNING):
        assert LabelFiles(tmp_path).read(SOURCE).keys() == {5}
    for name in ("folder.jsonl", "dangling.jsonl", "pipe.jsonl"):
        assert sum(name in message for message in caplog.messages) == 1


def test_long_labels_are_cut_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long: list[object] = [row(index, f"{index} " + "x" * 2**20) for index in range(20)]
    write(tmp_path, "explanations/batch-0.jsonl.gz", [*long, row(99, "fine")])
    with caplog.at_level(logging.WARNING):
        records = LabelFiles(tmp_path).read(SOURCE)
    labels = [record.label or "" for record in records.values()]
    assert [len(label) for label in labels] == [500] * 20 + [4]
    assert labels[0].startswith("0 xxx")
    assert labels[0].endswith("…")
    [message] = caplog.messages
    assert "20 labels have more than 500 characters and are cut" in message


def test_an_overlong_row_loses_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endless = '{"index": "1", "description": "' + "x" * 9_000_000
    write(tmp_path, "explanations/batch-0.jsonl.gz", [endless, row(5, "fine")])
    with caplog.at_level(logging.WARNING):
        assert LabelFiles(tmp_path).read(SOURCE).keys() == {5}
    [message] = caplog.messages
    assert "1 row is left out" in message
    assert "row 1: longer than" in message


def test_the_number_of_records_is_limited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("axon_gateway.labels.records._MOST_RECORDS", 3)
    write(tmp_path, "explanations/batch-0.jsonl.gz", [row(index, "x") for index in range(9)])
    write(tmp_path, "features/batch-0.jsonl.gz", [{"index": "1", "maxActApprox": 8.5}])
    with caplog.at_level(logging.WARNING):
        records = LabelFiles(tmp_path).read(SOURCE)
    assert records.keys() == {0, 1, 2}
    assert records[1].max_activation == 8.5
    assert "6 rows are left out (row 4: the source has more than 3 features" in caplog.text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("index", "description", "scores", "typeName", "frac_nonzero", "maxActApprox")
ROWS = ANYTHING | st.dictionaries(
    st.sampled_from(FIELDS),
    ANYTHING | st.sampled_from([7, "7", [{"value": 0.5}], [{"value": "x"}]]),
)


@settings(deadline=None)
@given(st.sampled_from(["explanations", "features"]), st.lists(ROWS, max_size=5))
def test_any_row_is_taken_or_left_out(kind: str, rows: list[Any]) -> None:
    records = Records()
    odd = records.add(kind, [json.dumps(row).encode() for row in rows])
    assert len(records.by_index) + odd.left_out <= len(rows)
    table = LabelTable(records.by_index)
    assert {index: table.record(index) for index in records.by_index} == records.by_index


@settings(deadline=None)
@given(ANYTHING)
def test_any_answer_of_the_api_is_a_record_or_refused(answer: Any) -> None:
    for body in (answer, {"explanations": answer}, {"explanations": [answer, {"description": 1}]}):
        # `FeatureApi` treats these exceptions as no answer.
        with contextlib.suppress(ValueError, KeyError):
            assert isinstance(from_api(body), FeatureRecord)


def test_a_file_that_is_cut_off_gives_the_rows_before_the_cut(
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


def test_an_invalid_score_loses_only_itself(tmp_path: Path) -> None:
    scores = [{"value": None}, {"value": 0.5}, {}, "x", {"value": "nan"}]
    write(
        tmp_path,
        "explanations/batch-0.jsonl.gz",
        [row(1, "cats", scores=scores), row(2, "dogs", scores=[{"value": None}])],
    )
    records = LabelFiles(tmp_path).read(SOURCE)
    assert (records[1].label, records[1].score) == ("cats", 0.5)
    assert (records[2].label, records[2].score) == ("dogs", None)


def test_files_may_be_uncompressed(tmp_path: Path) -> None:
    path = tmp_path / SOURCE / "explanations" / "mine.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(row(3, "by hand")) + "\n")
    assert LabelFiles(tmp_path).read(SOURCE)[3].label == "by hand"


def test_the_first_folder_that_has_a_source_is_used(tmp_path: Path) -> None:
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


def test_without_a_folder_or_files_there_are_no_labels(tmp_path: Path) -> None:
    assert LabelFiles(None).read(SOURCE) == {}
    assert LabelFiles(tmp_path).read(SOURCE) == {}
