"""The notebooks in docs/examples run as they are, with the bundled model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from ..ports import free_port
from .process import forked, wait_until_serving

# Three kernels import pandas, which takes longer than ten seconds in all.
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]

FOLDER = Path(__file__).parents[2] / "docs/examples"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    port = free_port()
    with forked(AXON_GRPC_PORT=port, AXON_SLOTS=4, AXON_THREADS=1, AXON_MAP="off"):
        wait_until_serving(port)
        yield f"127.0.0.1:{port}"


def ran(name: str, address: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each code cell of a notebook shows, as HTML or as text."""
    monkeypatch.setenv("AXON_ADDRESS", address)
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return [_shown(cell) for cell in book.cells if cell.cell_type == "code"]


def _shown(cell: Any) -> str:
    results = [output["data"] for output in cell.outputs if output.output_type == "execute_result"]
    return "\n".join(data.get("text/html") or data["text/plain"] for data in results)


def test_contrast(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, drawn, table, shaded, promoted, matrix = ran("contrast", address, monkeypatch)
    assert 'class="axon"' in drawn
    assert "<table" in table
    assert "Shaded by axon-demo/2-res/1353;" in shaded
    assert promoted.startswith("[' ")
    assert "shape (6, " in matrix


def test_twin(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, drawn, texts, doses = ran("twin", address, monkeypatch)
    assert 'class="axon"' in drawn
    assert re.search(r"'as is': ' Paris.*'swapped': ' Tokyo", texts, re.DOTALL)
    assert "Paris" in doses


def test_why(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, drawn, table, rather, silenced = ran("why", address, monkeypatch)
    assert "Why &#x27; Paris&#x27;" in drawn
    assert table.count("<tr") == 1 + 10
    assert "1353" in rather
    assert 'class="axon"' in silenced
