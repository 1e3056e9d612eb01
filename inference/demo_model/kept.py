"""What a stopped run of the recipe has already found, so that the next one goes on from there."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from demo_model.config import Recipe

Progress = Callable[[str], None]


class Kept:
    """Figures by name in one JSON file of `folder`, for one recipe."""

    def __init__(self, folder: Path, recipe: Recipe, progress: Progress) -> None:
        self._folder, self._path = folder, folder / "kept.json"
        self._recipe = json.loads(json.dumps(asdict(recipe)))
        self._found: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}
        self._progress = progress
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    @property
    def seconds(self) -> float:
        """How long the steps took, over all runs."""
        return sum(self._seconds.values())

    def knows(self, name: str) -> bool:
        """Whether something was found under this name."""
        return name in self._found

    def get(self, name: str, find: Callable[[], Any]) -> Any:
        """What was found before under this name, or else what `find` finds now."""
        if self.knows(name):
            self._progress(f"  {name}: found by an earlier run")
        else:
            began = time.monotonic()
            self._found[name] = json.loads(json.dumps(find()))
            self._note(name, time.monotonic() - began)
        return self._found[name]

    def took(self, name: str, seconds: float) -> None:
        """Count the time of a step that keeps its own results."""
        self._note(name, seconds)

    def clear(self) -> None:
        """All is done: the folder is not needed any more."""
        shutil.rmtree(self._folder)

    def _note(self, name: str, seconds: float) -> None:
        self._seconds[name] = seconds
        state = {"recipe": self._recipe, "found": self._found, "seconds": self._seconds}
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(state), encoding="utf-8")
        part.replace(self._path)

    def _read(self) -> None:
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError:
            self._progress(f"  {self._path} cannot be read: starting afresh")
            return
        if state["recipe"] != self._recipe:
            self._progress(f"  {self._path} is of another recipe: starting afresh")
            return
        self._found, self._seconds = state["found"], state["seconds"]
