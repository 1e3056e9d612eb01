"""The README's Python code runs as it is printed."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from ..patience import PATIENCE
from .rig import Rig

README = Path(__file__).parents[2] / "README.md"


async def test_the_call_in_the_readme_works(rig: Rig) -> None:
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 10
    code = code.replace("127.0.0.1:50051", f"127.0.0.1:{rig.service.port}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, errors.decode()
    # The prompt is 24 tokens here, one a character, and 8 are generated. BOS has no features.
    assert len(output.decode().splitlines()) == 24 + 8
    assert "fake/0-res" in output.decode()
