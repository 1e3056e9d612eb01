"""The notebooks in docs/examples are kept without what they showed; nightly tests run them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs/examples"


@pytest.mark.parametrize("name", ["contrast", "twin", "why"])
def test_notebooks_have_no_outputs(name: str) -> None:
    for cell in json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
