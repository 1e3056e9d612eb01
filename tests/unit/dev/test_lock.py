"""The locks pin, with hashes, everything that is declared, for every supported Python."""

import re
import tomllib
from itertools import chain

import pytest
from axon_dev.install import LOCK, PROJECTS, REQUIREMENTS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = [LOCK, *(REQUIREMENTS / f"{name}.lock" for name in ("uv", "tools"))]
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


def test_wheels_of_compiled_packages_are_there_for_each_python() -> None:
    """One hash would mean the wheel of one machine."""
    counts = {entry[0].partition("==")[0]: len(entry) - 1 for entry in ENTRIES}
    assert all(counts[name] > 12 for name in ("numpy", "aiohttp", "grpcio", "orjson"))
