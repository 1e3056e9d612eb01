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

#: What uv, npm or Docker says when something outside Axon is missing, and what to do then.
HINTS = {
    r"No such file or directory: 'docker'|'compose' is not a docker command|property include": (
        "Docker Engine and its Compose plugin, 2.20 or newer, are needed: install them (on Debian "
        "docker.io and docker-compose)."
    ),
    r"(?i)permission denied.*docker": (
        "This user may not use Docker's socket: add the user to the group docker."
    ),
    r"(?i)cannot connect to the docker daemon": (
        "No Docker Engine answers: start it (systemctl start docker), or set DOCKER_HOST."
    ),
    r"could not select device driver|unknown runtime.*nvidia|nvidia-container-cli": (
        "Docker cannot give a container the GPU: install the NVIDIA driver and the NVIDIA container"
        " toolkit, then `nvidia-ctk runtime configure --runtime=docker`, and restart Docker."
    ),
    r"port is already allocated|address already in use": (
        "A port is in use by another program: stop it, or set AXON_PORT or AXON_GRPC_PORT."
    ),
    r"(?i)no space left on device|ENOSPC": (
        "The disk is full: Axon takes about 3 GB, its images 4 GB, with CUDA 12 GB."
    ),
    r"no match for platform|pull access denied|failed to resolve reference|lookup .* no such": (
        "An image cannot be downloaded: is this machine on a network, and are AXON_REGISTRY and "
        "the *_IMAGE variables right, if they are set?"
    ),
    r"dns error|client error \(Connect\)|NameResolution|NewConnectionError|ENOTFOUND|EAI_AGAIN": (
        "The package index cannot be reached: is this machine on a network? (PIP_INDEX_URL names "
        "another index.)"
    ),
    r"[Ff]ailed to build|no wheels with a matching|command '?\S*(gcc|cc|clang|g\+\+)\S*'? fail": (
        "A package has no ready-made wheel for this machine: try another Python (PYTHON=...), or "
        "apt install build-essential python3-dev (or your system's compiler)."
    ),
}


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
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command. One line names it and shows its newest output; a log has all of it.

    Raises Problem when it fails. After Ctrl-C it waits until the command has stopped.
    """
    log = STATE / "logs" / f"{re.sub('[^a-z]+', '-', title.lower())}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started, outcome = time.monotonic(), "interrupted"
    clear = "\r\033[K" if sys.stdout.isatty() else ""
    if not clear:
        say(f"{title} ...")
    with log.open("wb") as out:
        # With close_fds it would not inherit the lock that is held around the set-up.
        process = subprocess.Popen(
            command, cwd=cwd or ROOT, env=env, stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, close_fds=False,
        )  # fmt: skip
    try:
        while process.poll() is None:
            if clear:
                line = f"{title} ... {_last(log, 1)} ({time.monotonic() - started:.0f} s)"
                say(f"{clear}{line[: os.get_terminal_size().columns - 1]}", end="")
            time.sleep(0.1)
        outcome = "failed" if process.returncode else "done"
    finally:
        process.terminate()
        process.wait()
        say(f"{clear}{title}: {outcome} ({time.monotonic() - started:.0f} s)")
    if process.returncode:
        known = hint(log.read_text(errors="replace"))
        where = log.relative_to(ROOT)
        failed = f"{title} failed; the last lines of {where}:\n{_last(log, 12)}"
        raise Problem(f"{known}\n{failed}" if known else failed)


def hint(output: str) -> str:
    """What to do about a failure with this output; empty if that is not known."""
    return next((hint for pattern, hint in HINTS.items() if re.search(pattern, output)), "")


def _last(log: Path, count: int) -> str:
    """The last lines, as a terminal shows them: a progress bar overwrites its line after \\r."""
    lines = log.read_bytes()[-4000:].decode(errors="replace").split("\n")
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines if line.strip()][-count:]
    return shown[-1].strip() if shown and count == 1 else "\n".join(f"    {one}" for one in shown)
