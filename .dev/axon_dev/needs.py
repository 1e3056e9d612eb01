"""What an image installs, as requirements files: `python -m axon_dev.needs FOLDER PACKAGE ...`.

A build stage of its own runs this. The stage that installs copies what it wrote, and so is done
again only when that has changed, not with every change of a pyproject.toml or of .dev.
"""

import sys
from pathlib import Path

from axon_dev import environment, torch
from axon_dev.console import Problem
from axon_dev.paths import LOCK, ROOT


def main(arguments: list[str]) -> int:
    """Write `torch.txt`, `packages.txt` and their versions, `constraints.txt`, into a folder.

    The build of torch is that of the variable TORCH: cpu, which is also the default, or cuda.
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
