"""Where things are, and what the developer sees: lines, steps with their progress, problems."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STATE = ROOT / ".axon"  # logs, labels and Redis' data
FRONTEND = ROOT / "frontend"

# What uv, npm or Docker says when something outside Axon is missing, and what to do then.
HINTS = (
    (
        r"could not select device driver|unknown runtime.*nvidia|nvidia-container-cli",
        "Docker cannot give a container the GPU: install the NVIDIA driver and the NVIDIA "
        "container toolkit, then `nvidia-ctk runtime configure --runtime=docker`, and restart "
        "Docker.",
    ),
    (
        r"port is already allocated|address already in use",
        "A port is in use by another program: stop it, or set AXON_PORT or AXON_GRPC_PORT.",
    ),
    (
        r"(?i)no space left on device|ENOSPC",
        "The disk is full: Axon takes about 3 GB, its images 4 GB, with CUDA 12 GB.",
    ),
    (
        r"no match for platform|pull access denied|failed to resolve reference|lookup .* no such",
        "An image cannot be downloaded: is this machine on a network, and are AXON_REGISTRY and "
        "the *_IMAGE variables right, if they are set?",
    ),
    (
        r"dns error|client error \(Connect\)|NameResolution|NewConnectionError|ENOTFOUND|EAI_AGAIN",
        "The package index cannot be reached: is this machine on a network? (PIP_INDEX_URL names "
        "another index.)",
    ),
    (
        r"[Ff]ailed to build|no wheels with a matching|command '?\S*(gcc|cc|clang|g\+\+)\S*'? fail",
        "A package has no ready-made wheel for this machine: try another Python (PYTHON=...), or "
        "apt install build-essential python3-dev (or your system's compiler).",
    ),
)


class Problem(Exception):
    """Something the developer can fix; its text says what is wrong and what to do."""


def say(text: str = "", end: str = "\n") -> None:
    """Print at once; when the terminal has been closed, do nothing."""
    try:
        print(text, end=end, flush=True)
    except OSError:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (open until the process ends)


def run_step(
    title: str,
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command. One line names it and shows its newest output; a log has all of it.

    Raises Problem when it fails. After Ctrl-C it waits until the command has stopped.
    """
    log = STATE / "logs" / f"{re.sub('[^a-z]+', '-', title.lower())}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started, live, outcome = time.monotonic(), sys.stdout.isatty(), "interrupted"
    clear = "\r\033[K" if live else ""
    if not live:
        say(f"{title} ...")
    with log.open("wb") as file:
        # Inherits the lock that is held around the set-up, until the command has ended.
        process = subprocess.Popen(
            command,
            cwd=cwd or ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            close_fds=False,
        )
    try:
        while process.poll() is None:
            if live:
                line = f"{title} ... {_last(log, 1)} ({time.monotonic() - started:.0f} s)"
                say(f"{clear}{line[: os.get_terminal_size().columns - 1]}", end="")
            time.sleep(0.1)
        outcome = "failed" if process.returncode else "done"
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        say(f"{clear}{title}: {outcome} ({time.monotonic() - started:.0f} s)")
    if process.returncode:
        output = log.read_text(errors="replace")
        hint = next((f"{hint}\n" for pattern, hint in HINTS if re.search(pattern, output)), "")
        where = log.relative_to(ROOT)
        raise Problem(f"{hint}{title} failed; the last lines of {where}:\n{_last(log, 12)}")


def _last(log: Path, count: int) -> str:
    """The last lines, as a terminal shows them: a progress bar overwrites its line after \\r."""
    lines = log.read_bytes()[-4000:].decode(errors="replace").split("\n")
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines if line.strip()][-count:]
    return shown[-1].strip() if shown and count == 1 else "\n".join(f"    {one}" for one in shown)
