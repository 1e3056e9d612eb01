"""The lock pins everything that is declared, for every supported Python."""

import re
from itertools import chain
from pathlib import Path

import pytest
from axon_dev import environment, lock, node, redis, torch
from axon_dev.paths import LOCK, PACKAGES, REQUIREMENTS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LINES = [
    line for line in LOCK.read_text().splitlines() if line and not line.lstrip().startswith("#")
]
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, LINES)}


def developers() -> list[str]:
    lines = chain(*(file.read_text().splitlines() for file in sorted(REQUIREMENTS.glob("*.in"))))
    return [need for line in lines if (need := line.partition("#")[0].strip())]


DECLARED = sorted({*developers(), *chain(*(environment.declared(package) for package in PACKAGES))})


@pytest.mark.parametrize("text", DECLARED)
def test_each_declared_requirement_is_pinned(text: str) -> None:
    need = Requirement(text)
    pin = PINS[canonicalize_name(need.name)]
    assert need.specifier.contains(str(pin.specifier).removeprefix("=="))


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_a_pin_for_every_machine(line: str) -> None:
    """No hash, address or path, and no build (+cpu): each machine chooses its own."""
    assert re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*( ; [^@/]+)?", line)


def test_the_lock_has_no_cuda() -> None:
    assert not lock.CUDA.findall("\n".join(PINS))
    assert lock.CUDA.findall("numpy==2\nnvidia-cublas==13\ntriton==3\ncuda-bindings==1") == [
        "nvidia-",
        "triton",
        "cuda-",
    ]


def test_the_lock_does_not_choose_a_build_of_torch() -> None:
    text = lock.clean("torch==2.13.0+cpu\n    # via x\nnumpy==2.4.6\n")
    assert text == lock.HEADER + "torch==2.13.0\n    # via x\nnumpy==2.4.6\n"
    assert torch.locked() == str(PINS["torch"].specifier).removeprefix("==")


def test_our_own_packages_are_not_in_the_lock() -> None:
    assert not any(name.startswith("axon") for name in PINS)
    assert not any(need.startswith("axon") for need in DECLARED)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_build_backend_of_a_package_is_declared(package: Path) -> None:
    """Our packages are installed without build isolation, so that pip fetches only pinned ones."""
    needs = {Requirement(need).name for need in environment.declared(package)}
    assert needs & {"hatchling", "setuptools"}


def test_fallbacks_are_installed_only_where_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "on_path", lambda: True)
    monkeypatch.setattr(redis, "on_path", lambda: "/usr/bin/redis-server")
    assert environment.sections() == ["dev"]
    monkeypatch.setattr(node, "on_path", lambda: False)
    monkeypatch.setattr(redis, "on_path", lambda: None)
    assert environment.sections() == ["dev", "node", "redis"]
