"""Run one of the commands that must work before anything is installed: `dev.py COMMAND`."""

import signal
import sys
from types import FrameType

from axon_dev import audit, compose, images, install, run
from axon_dev.console import Problem, say

COMMANDS = {
    "install": install.install,
    "setup": install.setup,
    "chromium": install.chromium,
    "evals": install.evals,
    "lock": install.lock,
    "run": run.run,
    "up": compose.up,
    "up-gpu": compose.up_gpu,
    "pin": images.pin,
    "audit": audit.audit,
}


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the command. A Problem is printed without a traceback; any signal counts as Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup, SIGHUP stays ignored
            signal.signal(number, _interrupt)
    try:
        return COMMANDS[sys.argv[1]]() or 0
    except Problem as problem:
        print(f"axon: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
