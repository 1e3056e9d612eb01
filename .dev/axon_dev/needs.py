"""Write an image's requirements files: `python -m axon_dev.needs FOLDER PACKAGE ...`.

A separate build stage runs this. The stage that installs copies the files. Docker therefore repeats
the installation only when the files change, not with every change of a pyproject.toml or of .dev.
"""

import sys
from pathlib import Path

from axon_dev import environment, torch
from axon_dev.console import Problem
from axon_dev.paths import LOCK, ROOT


def main(arguments: list[str]) -> int:
    """Write `torch.txt`, `packages.txt` and `constraints.txt` (all versions) into a folder.

    The variable TORCH chooses the build of torch: cpu (the default) or cuda.
    """
    folder, packages = Path(arguments[0]), [ROOT / name for name in arguments[1:]]
    try:
        needs = [need for package in packages for need in environment.to_run(package)]
        files = {
            "torch.txt": torch.wanted(torch.flavour() or "cpu"),
            "packages.txt": needs,
            "constraints.txt": pins(LOCK.read_text()),
        }
    except Problem as problem:
        print(f"axon: {problem}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return 0


def pins(lock: str) -> list[str]:
    """The lock's versions without its comments, which change more often."""
    return [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
