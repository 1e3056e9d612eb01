"""A small process that stops the services when the runner was killed (kill -9, out of memory).

Its standard input is a pipe from the runner. A line "+PID" says that a process group was started,
"-PID" that it has ended. The pipe closes when the runner ends, for whatever reason. The guard then
stops the groups that are left, the last one started first. This works on Linux and macOS, and also
stops a service's children.
"""

import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    """Read until the runner has ended, then stop the process groups it left."""
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
    """Send a process group SIGTERM, and SIGKILL after the grace period."""
    deadline = time.monotonic() + GRACE_S
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            time.sleep(0.05)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended (macOS raises PermissionError for a group of zombies)


if __name__ == "__main__":
    main()
