"""What a stopped run has found is found again, by the same recipe only."""

from dataclasses import replace
from pathlib import Path

import pytest
from demo_model.config import QUICK
from demo_model.kept import Kept


def fail() -> None:
    raise AssertionError("was found before")


def test_goes_on_after_a_stop(tmp_path: Path) -> None:
    lines: list[str] = []
    first = Kept(tmp_path / "work", QUICK, lines.append)
    assert first.get("swaps", lambda: {0: 0.5}) == {"0": 0.5}  # as a file gives it back
    first.took("model", 3600)
    again = Kept(tmp_path / "work", QUICK, lines.append)
    assert again.get("swaps", fail) == {"0": 0.5}
    assert lines == ["  swaps: found by an earlier run"]
    assert 3600 <= again.seconds < 3601
    again.took("model", 4000)  # with the time before
    assert 4000 <= again.seconds < 4001
    again.clear()
    assert not (tmp_path / "work").exists()


def test_a_step_that_fails_leaves_what_was_found_before(tmp_path: Path) -> None:
    kept = Kept(tmp_path, QUICK, print)
    kept.get("one", lambda: 1)
    with pytest.raises(AssertionError):
        kept.get("two", fail)
    again = Kept(tmp_path, QUICK, print)
    assert again.get("one", fail) == 1
    assert again.get("two", lambda: 2) == 2


@pytest.mark.parametrize("other", ["recipe", "broken"])
def test_what_does_not_belong_to_it_is_not_used(other: str, tmp_path: Path) -> None:
    lines: list[str] = []
    recipe = replace(QUICK, seed=5) if other == "recipe" else QUICK
    Kept(tmp_path, recipe, lines.append).get("one", lambda: 1)
    if other == "broken":
        (tmp_path / "kept.json").write_text("{")
    assert Kept(tmp_path, QUICK, lines.append).get("one", lambda: 2) == 2
    [line] = lines
    assert ("of another recipe" if other == "recipe" else "cannot be read") in line
    assert line.endswith("starting afresh")
