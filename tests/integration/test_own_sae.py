"""An SAE of one's own in three steps: what runs here are the commands of docs/own-sae.md."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from axon_gateway.config import Settings

from ..ports import free_port
from .gateway import harness
from .process import forked, wait_until_serving

ROOT = Path(__file__).parents[2]
_BLOCKS = re.findall(r"```\n(.*?)```", (ROOT / "docs/own-sae.md").read_text(), flags=re.DOTALL)
TEXT, TRAIN, LABEL, SERVE = (block.strip() for block in _BLOCKS)
SOURCE = "model/2-own"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands find what they name, and leave what they make."""
    (tmp_path / "inference").mkdir()
    for name in ("docs", "inference/demo_model"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def variables(command: str) -> dict[str, str]:
    return dict(re.findall(r"(AXON_\w+)=(\S+)", command))


def as_printed(command: str, more: str = "") -> None:
    """Runs a command as a reader does, with further arguments."""
    python = shlex.quote(sys.executable)
    command = re.sub(r"(\.\./)?\.venv/bin/python", python, command)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(["sh", "-ec", f"{command} {more}"], check=True, env=env)


async def serve() -> None:
    """Serves with the variables of the last step, and looks at a generation and its labels."""
    assert SERVE.startswith("make run ")
    asked = variables(SERVE)
    labels, port = Path(asked.pop("AXON_LABELS")), free_port()
    here = f"import os; os.chdir({str(Path.cwd())!r})"
    with forked(here, AXON_GRPC_PORT=port, AXON_THREADS=1, AXON_MAP="off", **asked):
        wait_until_serving(port)
        settings = Settings(
            inference=f"127.0.0.1:{port}",
            redis_url="redis://127.0.0.1:1/0",
            labels=labels,
            neuronpedia_export="",
            neuronpedia_api="",
            page=None,
        )
        async with harness.running(settings) as gateway:
            await gateway.gateway.backends.check()
            await _look(gateway)


async def _look(gateway: harness.Running) -> None:
    asked = {"prompt": "The capital of France is", "max_tokens": 4, "temperature": 0}
    async with gateway.http.post(f"{gateway.url}/api/generate", json=asked) as answer:
        lines: list[dict[str, Any]] = [json.loads(line) async for line in answer.content]
    assert lines[-1]["type"] == "finished", lines[-1]
    features = [one for line in lines if line["type"] == "token" for one in line["features"]]
    assert {one["source"] for one in features} == {SOURCE}
    told = {}
    for number in {one["id"] for one in features}:
        async with gateway.http.get(f"{gateway.url}/api/features/{SOURCE}/{number}") as answer:
            told[number] = (await answer.json())["label"]
    # Features that fire here but not in the text have none.
    assert any(
        re.match("the token|after the token|promotes: ", label or "") for label in told.values()
    )


@pytest.mark.nightly
@pytest.mark.timeout(900)
async def test_the_three_steps_work_as_they_are_printed() -> None:
    as_printed(TEXT)
    as_printed(TRAIN, "--tokens 25600 --steps 60")
    as_printed(LABEL, "--tokens 12800")
    await serve()
