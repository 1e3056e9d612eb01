import re
import subprocess

import pytest
from axon_dev import cli, run
from axon_dev.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def helped() -> str:
    return subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", TARGETS)
def test_help_lists_each_target(target: str, helped: str) -> None:
    assert re.search(rf"^  {target} +\S", helped, re.MULTILINE)


@pytest.mark.parametrize("name", ["AXON_PORT", "AXON_GRPC_PORT", "AXON_MODEL", "AXON_SOURCES"])
def test_help_lists_each_variable(name: str, helped: str) -> None:
    assert re.search(rf"^  {name} +\S", helped, re.MULTILINE)


def test_each_target_has_its_command() -> None:
    assert set(TARGETS) - {"help"} == set(cli.COMMANDS)
    assert set(TARGETS) == set(re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)[0].split())


def test_help_lists_the_variables_that_services_do_not_get(helped: str) -> None:
    for name in {"PYTHON", "TORCH", "ARGS"} & set(run.NOT_OURS):
        assert f"  {name} " in helped
