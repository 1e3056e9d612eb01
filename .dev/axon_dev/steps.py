"""Run a long command: show its progress on one line, write its whole output to a log file."""

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from axon_dev.console import Progress
from axon_dev.paths import ROOT, STATE

Note = Callable[[str], str | None]
"""Turns a line of a command's output into the text to show as progress; None shows nothing new."""


class StepFailed(Exception):
    """A command ended with an error; `output` is all it printed."""

    def __init__(self, title: str, output: str, log: Path) -> None:
        tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])
        super().__init__(f"{title} failed; the last lines of {log.relative_to(ROOT)}:\n{tail}")
        self.output = output


def run_step(
    title: str,
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    note: Note = lambda line: line,
) -> None:
    """Run `command` to its end, showing progress. Raises StepFailed when it exits with an error.

    After Ctrl-C or SIGTERM it waits until the command has stopped, because pip then restores the
    packages it had half replaced.
    """
    log = STATE / "logs" / f"{'-'.join(re.findall('[a-z]+', title.lower()))}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = Progress(title)
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        close_fds=False,  # the command inherits a lock held around the step, until it has ended
    )
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines, log), daemon=True)
    reader.start()
    try:
        _watch(reader, lines, progress, note)
        code = process.wait()
    except BaseException:
        _end(process)
        progress.close("interrupted")
        raise
    progress.close("done" if code == 0 else "failed")
    if code != 0:
        raise StepFailed(title, "".join(lines), log)


def _collect(process: subprocess.Popen[str], lines: list[str], log: Path) -> None:
    assert process.stdout is not None
    with log.open("w") as file, process.stdout:
        for line in process.stdout:
            lines.append(line)
            file.write(line)
            file.flush()


def _watch(reader: threading.Thread, lines: list[str], progress: Progress, note: Note) -> None:
    """Show the newest progress until the output ends."""
    seen, shown = 0, "starting"
    while reader.is_alive():
        reader.join(0.2)
        for line in lines[seen:]:
            seen += 1
            shown = note(line.strip()) or shown
        progress.show(shown)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
