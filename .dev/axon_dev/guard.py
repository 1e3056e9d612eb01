"""A small process that stops the services when the runner can no longer do so itself (kill -9, out
of memory).

Its standard input is a pipe from the runner: "+PID" for a process group that has been started,
"-PID" for one that has ended. The pipe closes when the runner is gone, however it went; what has
not ended by then is stopped here, the last one started first. This works alike on Linux and macOS,
and reaches a service's own children too.
"""

import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    """Listen until the runner is gone, then stop what it has left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[int] = []
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.append(group)
        else:
            groups.remove(group)
    for group in reversed(groups):
        stop(group)


def stop(group: int) -> None:
    """Ask a process group to end; after the grace period make it."""
    deadline = time.monotonic() + GRACE_S
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(0.05)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended (macOS says PermissionError of a group of zombies)


if __name__ == "__main__":
    main()
