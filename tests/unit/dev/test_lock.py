"""The locks pin, with hashes, everything that is declared, for every supported Python."""

import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from axon_dev.install import LOCK, PROJECTS, REQUIREMENTS, uv_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: The last one counts where several pin a package.
LOCKS = [*(REQUIREMENTS / f"{name}.lock" for name in ("evals", "uv", "tools")), LOCK]
#: A pin with its marker, and its hashes; comments left out.
ENTRIES = [
    re.split(r"\s*\\\n\s*", entry.strip())
    for lock in LOCKS
    for entry in re.split(r"\n(?=[a-z])", re.sub(r"^\s*#.*\n?", "", lock.read_text(), flags=re.M))
]
PINS = {canonicalize_name(pin.name): pin for pin in (Requirement(entry[0]) for entry in ENTRIES)}


def declared() -> set[str]:
    needs = chain(*(file.read_text().splitlines() for file in REQUIREMENTS.glob("*.in")))
    found = {need for line in needs if (need := line.partition("#")[0].strip())}
    for path in PROJECTS:
        about = tomllib.loads(path.read_text())
        extras = about["project"].get("optional-dependencies", {}).values()
        found |= {*about["build-system"]["requires"], *chain(*extras)}
        found |= set(about["project"]["dependencies"])
    return {need for need in found if not need.startswith(("axon-", "torch=="))}


@pytest.mark.parametrize("text", sorted(declared()))
def test_each_declared_requirement_is_pinned(text: str) -> None:
    need = Requirement(text)
    pin = PINS[canonicalize_name(need.name)]
    assert need.specifier.contains(str(pin.specifier).removeprefix("=="))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[0])
def test_each_entry_is_a_pin_with_hashes_and_no_address(entry: list[str]) -> None:
    pin, *hashes = entry
    assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*( ; [^@/]+)?", pin)
    assert hashes
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)


def test_each_machine_chooses_its_build_of_torch() -> None:
    """So the lock has neither torch nor CUDA. Our own packages are on no index."""
    assert not [pin for pin in PINS if re.match(r"axon|torch$|nvidia-|cuda-|triton", pin)]
    text = LOCK.parent.joinpath("inference/pyproject.toml").read_text()
    assert len(re.findall(r'"torch==[\d.]+"', text)) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_wheels_are_there_for_each_python(version: str, tmp_path: Path) -> None:
    """Asks the package index. The two packages that have no wheel are plain Python."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--dry-run"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-binary", "py2store", "--no-binary", "transformers-stream-generator"]
    command += ["--python-version", version, "--target", str(tmp_path), "-r", str(LOCK)]
    done = subprocess.run(command, env=uv_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
