"""Texts in which a feature was active: of Neuronpedia's rows and files, and of rooms' logs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from axon_gateway.labels import examples
from axon_gateway.labels.examples import Example, ExampleFiles, Examples, from_rows
from axon_gateway.labels.files import LabelFiles
from axon_gateway.rooms import examples as rooms
from axon_gateway.rooms.examples import fired

SOURCE = "m/0-res"


def row(index: int, tokens: list[Any], values: list[Any]) -> dict[str, Any]:
    return {"index": str(index), "layer": "0-res", "tokens": tokens, "values": values}


def test_the_piece_around_the_strongest_token_is_told() -> None:
    words = [f" {n}" for n in range(128)]
    [one] = from_rows([row(1, words, [float(n == 60) for n in range(128)])])
    assert (one.tokens, one.strongest, one.origin) == (words[44:69], 1, "neuronpedia")
    [first] = from_rows([row(1, words, [float(n == 0) for n in range(128)])])
    assert first.tokens == words[:9]
    assert first.activations == [1, *[0] * 8]


def test_the_strongest_come_first_and_none_twice() -> None:
    rows = [row(1, ["a", str(n % 7)], [0, n]) for n in range(1, 20)]
    assert [one.strongest for one in from_rows(rows)] == [19, 18, 17, 16, 15]


@pytest.mark.parametrize(
    "rows",
    [
        None,
        "rows",
        [None, 3, {}],
        [row(1, ["a"], [1, 2])],
        [row(1, ["a"], [None])],
        [row(1, ["a"], ["NaN"])],
        [row(1, [7], [1])],
        [row(1, ["a"], [0])],
        [row(1, [], [])],
    ],
)
def test_what_is_malformed_or_never_active_is_left_out(rows: object) -> None:
    assert from_rows(rows) == []


def write(folder: Path, name: str, rows: list[Any]) -> None:
    path = folder / SOURCE / examples.KIND / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"\n".join(orjson.dumps(one) for one in rows)))


def test_files_are_found_by_feature(tmp_path: Path) -> None:
    write(tmp_path, "batch-0.jsonl.gz", [row(1, ["a"], [1]), row(10, ["b"], [2])])
    write(tmp_path, "batch-1.jsonl.gz", [row(10, ["c"], [3]), "damaged", row(2, ["d"], [4])])
    files = ExampleFiles(LabelFiles(tmp_path))
    assert [one.tokens for one in files.read(SOURCE, 10) or ()] == [["c"], ["b"]]
    assert [one.tokens for one in files.read(SOURCE, 2) or ()] == [["d"]]
    assert files.read(SOURCE, 3) == []
    assert files.read("m/1-res", 1) is None


async def test_few_answers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "batch-0.jsonl.gz", [row(n, ["a"], [n]) for n in range(1, 5)])
    monkeypatch.setattr(examples, "_KEPT", 2)
    kept = Examples(LabelFiles(tmp_path), None, lambda source: source)
    for index in (1, 2, 1, 3):
        assert [one.strongest for one in await kept.of(SOURCE, index)] == [index]
    (tmp_path / SOURCE / examples.KIND / "batch-0.jsonl.gz").unlink()
    write(tmp_path, "batch-0.jsonl.gz", [])
    # 1 was asked for after 2, which is read again.
    assert [len(await kept.of(SOURCE, index)) for index in (1, 3, 2)] == [1, 1, 0]
    await kept.close()


def frame(type_: str, **content: Any) -> bytes:
    return orjson.dumps({"type": type_, "seq": 1, **content})


def token(text: str, activation: float = 0, source: str = SOURCE, index: int = 7) -> dict[str, Any]:
    features = [{"id": index, "activation": activation, "layer": 0, "source": source}]
    return {"token": text, "features": features if activation else []}


def run(*texts: dict[str, Any], edits: tuple[Any, ...] = ()) -> list[bytes]:
    started = frame("started", branches=[{"name": "1", "edits": list(edits)}])
    prompt, *rest = texts
    return [started, frame("prompt", tokens=[prompt]), *(frame("token", **one) for one in rest)]


def test_what_fired_strongest_in_rooms_is_told() -> None:
    logs = [
        [*run(token("a"), token("b", 1.0)), *run(token("c", 3.0), token("d"))],
        [*run(token("e", 2.0)), frame("labels", labels={"7": "x"})],
        run(token("other feature", 9.0, index=77), token("other source", 9.0, "m/1-res")),
    ]
    assert fired(logs, SOURCE, 7) == [
        Example(["c", "d"], [3, 0], "room"),
        Example(["e"], [2], "room"),
        Example(["a", "b"], [0, 1], "room"),
    ]
    assert fired([], SOURCE, 7) == []


def test_what_an_edit_made_fire_is_not_told() -> None:
    log = run(token("a", 5.0), edits=({"feature": f"{SOURCE}/7", "set": 5},))
    edited = [*run(token("b", 4.0)), frame("edited", branch=0, position=1, edits=[])]
    # Frames of a generation whose beginning is gone say nothing of its edits.
    beheaded = run(token("c", 3.0))[1:]
    assert fired([log, edited, beheaded], SOURCE, 7) == []


def test_branches_are_texts_of_their_own() -> None:
    branches = [{"name": str(n), "edits": []} for n in range(2)]
    log = [frame("started", branches=branches)]
    for number, text in enumerate(("left", "right")):
        log += [
            frame("prompt", branch=number, tokens=[token("The")]),
            frame("token", branch=number, **token(text, number + 1.0)),
        ]
    assert [one.tokens for one in fired([log], SOURCE, 7)] == [["The", "right"], ["The", "left"]]


def test_a_question_looks_through_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = run(token("old", 2.0)), run(token("new", 1.0))
    monkeypatch.setattr(rooms, "_MOST_BYTES", sum(map(len, new)))
    assert [one.tokens for one in fired([[*old, *new]], SOURCE, 7)] == [["new"]]


def test_examples_have_these_names_in_json() -> None:
    one = Example(["a"], [1.5], "room")
    want = {"tokens": ["a"], "activations": [1.5], "origin": "room"}
    assert json.loads(orjson.dumps(one)) == want
