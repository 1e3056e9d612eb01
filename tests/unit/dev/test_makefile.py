import re
import subprocess

import pytest
from axon_dev import run
from axon_dev.console import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def helped() -> str:
    return subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", TARGETS)
def test_help_lists_each_target(target: str, helped: str) -> None:
    assert re.search(rf"^  {target} +\S", helped, re.MULTILINE)


@pytest.mark.parametrize("name", ["AXON_PORT", "AXON_GRPC_PORT", "AXON_MODEL", "AXON_SOURCES"])
def test_help_lists_each_variable(name: str, helped: str) -> None:
    assert re.search(rf"^  {name} +\S", helped, re.MULTILINE)


def test_each_target_is_phony() -> None:
    """A file of that name must not make it "up to date"."""
    assert set(TARGETS) <= set(" ".join(re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.M)).split())


def test_services_do_not_get_the_variables_of_make(helped: str) -> None:
    assert {"PYTHON", "TORCH", "ARGS"} <= run.NOT_OURS
    assert all(f"  {name} " in helped for name in ("PYTHON", "TORCH", "ARGS"))


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
