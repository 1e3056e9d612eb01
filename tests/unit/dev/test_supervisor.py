"""The supervisor with real, small processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from axon_dev.supervisor import Service, Supervisor

DEV = Path(__file__).parents[3] / ".dev"

# Prints "up" and waits; on SIGTERM it prints "ending" and ends.
POLITE = """
import signal, sys
def end(*_):
    print("ending")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up")
signal.pause()
"""
STUBBORN = """
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("up")
while True: signal.pause()
"""
# Starts a child, does not wait for it, and prints its process id.
PARENT = """
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid)
signal.pause()
"""


def service(name: str, program: str, **options: float | bool) -> Service:
    return Service(name, (sys.executable, "-uISc", program), dict(os.environ), **options)  # type: ignore[arg-type]


class Screen:
    """What the supervisor shows."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    async def wait_for(self, found: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not found():  # noqa: ASYNC110 (as a terminal is watched)
                await asyncio.sleep(0.01)

    async def shows(self, *lines: tuple[str, str]) -> None:
        await self.wait_for(lambda: set(lines) <= set(self.lines))


@pytest.fixture
def screen() -> Screen:
    return Screen()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # on Linux
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not status.parent.parent.joinpath("self").exists()


async def test_services_stop_in_the_reverse_order(screen: Screen) -> None:
    async with Supervisor(screen) as supervisor:
        for name in ("redis", "inference", "gateway"):
            await supervisor.start(service(name, POLITE))
            await screen.shows((name, "up"))
    assert screen.lines[3:] == [(n, "ending") for n in ("gateway", "inference", "redis")]


async def test_the_first_service_that_ends_is_named_with_its_last_lines(screen: Screen) -> None:
    program = "import sys; [print(i) for i in range(100)]; sys.exit('out of memory')"
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("gateway", POLITE))
        await screen.shows(("gateway", "up"))  # from now on it handles signals
        await supervisor.start(service("inference", program))
        async with asyncio.timeout(10):
            ended = await supervisor.first_end()
    assert ended.service.name == "inference"
    assert ended.outcome == "ended with exit code 1"
    assert list(ended.tail)[-2:] == ["99", "out of memory"]
    assert len(ended.tail) == 15
    assert ("gateway", "ending") in screen.lines


async def test_a_signal_that_ended_a_service_is_named(screen: Screen) -> None:
    async with Supervisor(screen) as supervisor:
        running = await supervisor.start(service("gateway", POLITE))
        await screen.shows(("gateway", "up"))
        running.process.kill()
        async with asyncio.timeout(10):
            ended = await supervisor.first_end()
    assert ended.outcome == "was killed by SIGKILL"


async def test_a_service_that_does_not_stop_is_killed_after_its_grace_period(
    screen: Screen,
) -> None:
    async with Supervisor(screen) as supervisor:
        running = await supervisor.start(service("inference", STUBBORN, grace_s=0.1))
        await screen.shows(("inference", "up"))
        started = time.monotonic()
    assert 0.1 <= time.monotonic() - started < 5
    assert running.process.returncode == -signal.SIGKILL
    assert ("inference", "does not stop; killing it") in screen.lines


async def test_a_second_signal_ends_the_waiting(screen: Screen) -> None:
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("inference", STUBBORN, grace_s=50))
        await screen.shows(("inference", "up"))
        asyncio.get_running_loop().call_later(0.1, supervisor.hurry)
        started = time.monotonic()
    assert time.monotonic() - started < 10


async def test_a_services_children_end_with_it(screen: Screen) -> None:
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("inference", PARENT))
        await screen.wait_for(lambda: bool(screen.lines))
        child = int(screen.lines[0][1].split()[1])
        assert alive(child)
    await screen.wait_for(lambda: not alive(child))


async def test_an_end_is_noticed_while_a_child_holds_the_log_open(screen: Screen) -> None:
    program = PARENT.replace("signal.pause()", "sys.exit(3)")
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("inference", program))
        async with asyncio.timeout(10):
            ended = await supervisor.first_end()
    assert ended.outcome == "ended with exit code 3"


async def test_the_output_of_a_quiet_service_is_shown_only_when_it_ends(screen: Screen) -> None:
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("redis", "print('hello')", quiet=True))
        async with asyncio.timeout(10):
            ended = await supervisor.first_end()
    assert screen.lines == []
    assert list(ended.tail) == ["hello"]


async def test_logs_are_shown_as_a_terminal_would_show_them(screen: Screen) -> None:
    program = r"""
import sys
sys.stdout.buffer.write("10%\r99%\r\n\xe9t\xe9 ".encode())
sys.stdout.buffer.write(b"\xff|\n" + b"x" * 200_000 + b"\nend")
"""
    async with Supervisor(screen) as supervisor:
        await supervisor.start(service("a", program))
        await screen.shows(("a", "end"))
    lines = [line for _, line in screen.lines]
    assert lines[:2] == ["99%", "été �|"]
    assert "".join(lines[2:-1]) == "x" * 200_000


RUNNER = """
import asyncio, os, sys
sys.path.insert(0, {dev!r})
from axon_dev.supervisor import Service, Supervisor
async def main():
    async with Supervisor(lambda name, line: print(name, line, flush=True)) as supervisor:
        for name in ("inference", "gateway"):
            program = (sys.executable, "-uISc", {program!r})
            running = await supervisor.start(Service(name, program))
            print("pid", running.process.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("program", [POLITE, PARENT])
def test_nothing_outlives_a_runner_that_was_killed(program: str) -> None:
    text = RUNNER.format(dev=str(DEV), program=program)
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        lines = [runner.stdout.readline().split() for _ in range(4)]
        pids = [int(words[-1]) for words in lines if words[-1].isdigit()]
        assert len(pids) >= 2
        assert all(alive(pid) for pid in pids)
        runner.kill()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"left behind: {[p for p in pids if alive(p)]}"
        time.sleep(0.02)
