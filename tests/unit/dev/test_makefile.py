import re
import subprocess

import pytest
from axon_dev.console import ROOT


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        (["SOURCE=m/8-res"], "m/8-res --to .axon/labels"),
        (["SOURCE=m/8-res,m/9-res", "TO=away"], "m/8-res m/9-res --to away"),
        (["SOURCE=m/8-res", "AXON_REDIS_URL=redis://x"], "m/8-res"),
    ],
)
def test_make_labels_passes_its_variables_on(variables: list[str], arguments: str) -> None:
    command = ["make", "--dry-run", "labels", "TO=", "AXON_REDIS_URL=", *variables]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    [line] = re.findall(r"axon_gateway labels (.*)", done.stdout)
    assert line.replace('"', "").split() == arguments.split()


def test_make_labels_without_a_source_says_what_to_do() -> None:
    done = subprocess.run(["make", "labels", "SOURCE="], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "make labels SOURCE=gpt2-small/8-res-jb" in done.stderr
