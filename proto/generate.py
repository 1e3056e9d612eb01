"""Writes the Python stubs of `axon/v1/*.proto` beside the .proto files.

`python proto/generate.py` rewrites them; `--check` writes them to a temporary folder instead and
fails, naming each one, when what is committed differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def protos() -> list[str]:
    """The .proto files, relative to the root of the package as `import` lines name them."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("axon/**/*.proto"))


def generate(into: Path) -> None:
    """Runs protoc with the type-hint plugins; raises CalledProcessError if it refuses."""
    kinds = {"python": "", "grpc_python": "", "mypy": "quiet:", "mypy_grpc": "quiet:"}
    outputs = [f"--{kind}_out={options}{into}" for kind, options in kinds.items()]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}", *outputs, *protos()]
    # protoc looks for the mypy plugins on PATH; they are installed beside the interpreter.
    plugins = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PATH": plugins})


def stubs() -> list[Path]:
    """Where the stubs belong, relative to the root of the package."""
    return [Path(p.removesuffix(".proto") + suffix) for p in protos() for suffix in SUFFIXES]


def stale(fresh: Path) -> list[Path]:
    """The committed stubs that are missing or differ from those in `fresh`."""
    return [
        stub
        for stub in stubs()
        if not (ROOT / stub).is_file() or (ROOT / stub).read_bytes() != (fresh / stub).read_bytes()
    ]


def main() -> int:
    """Returns the exit code: 1 for stale stubs, 2 if protoc fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    check = parser.parse_args().check
    try:
        if not check:
            generate(ROOT)
            return 0
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder))
            outdated = stale(Path(folder))
    except subprocess.CalledProcessError as error:
        print(f"generate.py: protoc failed with exit code {error.returncode}", file=sys.stderr)
        return 2
    for stub in outdated:
        print(f"stale: proto/{stub} (run python proto/generate.py)", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
