"""`make check-quality` finds the real stack good."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from .stack import START_SECONDS, Stack

# The first test waits until torch and the model are loaded.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(START_SECONDS + 120)]


async def test_the_bundled_model_passes_all_six_checks(stack: Stack) -> None:
    process = await asyncio.create_subprocess_exec(
        # No demand on speed: other work may slow this machine. The printed figures show it.
        *(sys.executable, "-m", "tests.quality", "--first", "30", "--rate", "1", "--pause", "30"),
        env={**os.environ, "AXON_URL": stack.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    lines = out.decode().splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == ["ok"] * 6, out.decode() + err.decode()
    assert lines[-1].startswith("6 of 6 checks are good")
    assert process.returncode == 0
    print(out.decode())
