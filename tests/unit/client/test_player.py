"""The notebook's player: what it draws of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axon
import pytest
from axon import extras
from axon.notebook import play
from axon.notebook.player import steps

RECORDING = Path(__file__).parents[3] / "frontend/public/recordings/capital-of-france.jsonl"


def feature(id_: int, activation: float, source: str = "m/0-res", **more: Any) -> dict[str, Any]:
    return {"id": id_, "activation": activation, "source": source, **more}


def test_a_recording_is_played() -> None:
    player = play(RECORDING)
    assert not player.live
    assert player.steps[0] == {"names": ["1"]}
    prompt = player.steps[1]
    assert "".join(token["text"] for token in prompt["tokens"][1:]) == "The capital of France is"
    assert not prompt["tokens"][1]["generated"]
    name, activation, label = prompt["tokens"][1]["features"][0]
    assert (name, label) == ("axon-demo/0-res/443", 'the word "the" at the start of a sentence')
    assert activation == pytest.approx(2.547)
    assert player.steps[2]["tokens"][0]["generated"]
    assert player.steps[2]["time"] > prompt["time"]
    assert player.steps[-1]["end"].startswith("ended by ")
    assert "export default" in player._esm
    player.close()


def test_steps_have_the_strongest_features_of_each_source_and_what_edits_changed() -> None:
    features = [feature(n, 9 - n) for n in range(4)]
    features += [feature(8, 0, before=3.0), feature(1, 2, "m/1-res", label="one")]
    token = {"type": "token", "token": " a", "step": 0, "branch": 1, "features": features}
    [step] = steps([token], features=2)
    assert step["branch"] == 1
    assert step["tokens"][0]["features"] == [
        ["m/0-res/0", 9, ""],
        ["m/0-res/1", 8, ""],
        ["m/0-res/8", 0, ""],
        ["m/1-res/1", 2, "one"],
    ]


def test_frames_of_a_live_room_are_taken_in_batches_and_labels_may_be_late() -> None:
    frames = [
        {"type": "room", "room": "x"},
        {
            "type": "batch",
            "frames": [
                {"type": "started", "branches": [{"name": "as is"}, {"name": "edited"}]},
                {"type": "labels", "source": "m/0-res", "labels": {"3": "three"}},
                {"type": "error", "message": "it broke"},
            ],
        },
    ]
    assert list(steps(frames)) == [
        {"names": ["as is", "edited"]},
        {"labels": {"m/0-res/3": "three"}},
        {"end": "it broke"},
    ]


def test_what_cannot_be_played_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(axon.AxonError, match="No such file"):
        play(tmp_path / "none.jsonl")
    (tmp_path / "text.jsonl").write_text("hello")
    with pytest.raises(axon.AxonError, match=r"text\.jsonl: it is not a recording"):
        play(tmp_path / "text.jsonl")
    with pytest.raises(axon.AxonError, match="is no room; one ends in /r/ROOM"):
        play("http://127.0.0.1:9/")
    with pytest.raises(axon.AxonError, match=r"http://127\.0\.0\.1:9/r/x: "):
        play("http://127.0.0.1:9/r/x")

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(axon.AxonError, match="this needs anywidget: pip install"):
        play(RECORDING)
