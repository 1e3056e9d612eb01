"""The clients that docs/calling.md prints work as they are."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from ...patience import PATIENCE
from .fake_inference import MODEL, SOURCES
from .harness import Running

DOCS = Path(__file__).parents[3] / "docs" / "calling.md"


def printed(language: str) -> list[str]:
    """The code in that language, for the fake model."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    names = {"axon-demo/2-res": SOURCES[0], "axon-demo": MODEL, "1353": "21", "1683": "22"}
    for name, own in names.items():
        blocks = [block.replace(name, own) for block in blocks]
    return blocks


async def run(*command: str) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_the_client_for_node(gateway: Running, tmp_path: Path) -> None:
    [code] = [block for block in printed("js") if "fetch(" in block]
    assert len(code.strip().splitlines()) <= 10
    node = shutil.which("node") or str(Path(sys.executable).with_name("node"))
    (tmp_path / "client.mjs").write_text(code.replace("http://127.0.0.1:8000", gateway.url))
    output = await run(node, str(tmp_path / "client.mjs"))
    assert re.findall(r"token: '([^']+)',\n  step", output) == [" of", " France", " is", " Paris"]


async def test_the_call_by_the_openai_package(gateway: Running) -> None:
    [code] = [block for block in printed("python") if "openai" in block]
    output = await run(sys.executable, "-c", code.replace("http://127.0.0.1:8000", gateway.url))
    lines = output.splitlines()
    assert [line.split(" [")[0] for line in lines] == [" of~", " France~", " is~", " Paris~"]
    assert f"label 22 of {SOURCES[0]}" in lines[0]


@pytest.mark.parametrize("language", ["js", "python"])
def test_each_client_is_tried(language: str) -> None:
    """The browser's is in tests/e2e."""
    assert len(printed(language)) == {"js": 2, "python": 1}[language]
