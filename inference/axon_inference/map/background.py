"""Makes the map in a process of its own, which yields to all others and ends with this one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from torch import Tensor

from axon_inference.catalog.hub import snapshot
from axon_inference.catalog.selection import select
from axon_inference.config import Settings
from axon_inference.map.kept import FeatureMap
from axon_inference.map.making import Report, make
from axon_inference.map.plan import Plan

#: Called in that process: of each storey the decoder's rows [width, d].
Rows = Callable[[], Iterable[Tensor]]
# What the system may end first if memory runs out; the range is -1000 to 1000.
_OOM_SCORE = "1000"
_GRACE = 5.0


class NotMade(Exception):
    """The map could not be made; the message says why."""


class Background:
    """The process that makes a plan's map."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        context = multiprocessing.get_context("spawn")
        self._theirs: Connection
        self._ours, self._theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_work, args=(plan, rows, self._theirs), daemon=True, name="map"
        )
        # Held while the process is started: so `stop` never misses one that is about to be.
        self._starting = threading.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process' id."""
        return self._process.pid

    def run(self, report: Report) -> FeatureMap:
        """Start it and wait for the map.

        Raises:
            NotMade: it failed, was killed, or `stop` was called.
        """
        with self._starting:
            if self._stopped:
                raise NotMade("it was stopped before it began")
            self._process.start()
            self._theirs.close()
        try:
            while True:
                match self._ours.recv():
                    case (stage, done):
                        report(stage, done)
                    case FeatureMap() as found:
                        return found
                    case str(why):
                        raise NotMade(why)
        except EOFError:
            self._process.join()
            raise NotMade(f"its process ended with code {self._process.exitcode}") from None
        finally:
            self.stop()

    def stop(self) -> None:
        """End the process; any thread may call this, at any time."""
        with self._starting:
            self._stopped = True
            if self._process.pid is None:
                return
        self._process.terminate()
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(plan: Plan, rows: Rows, out: Connection) -> None:
    """What the process does."""
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    # Ctrl-C at a terminal reaches this process too; the service ends it in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        found = make(
            plan.storeys,
            rows(),
            plan.hash,
            lambda stage, done: out.send((stage, done)),
        )
        out.send(found)
    except Exception as error:
        out.send(f"{type(error).__name__}: {error}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def rows(settings: Settings, plan: Plan) -> Iterator[Tensor]:
    """Of each storey the decoder's rows [width, d], read from its files one after another: on the
    CPU and in float32, whatever the service runs on, so that all replicas show one map."""
    from axon_inference.model.network import outline
    from axon_inference.model.sources import load_source

    selection = select(settings.model, settings.sources)
    folder = selection.folder or snapshot(selection.repository)
    model = outline(selection.id, str(folder), device="cpu", dtype=settings.dtype)
    for index in plan.sources:
        yield load_source(selection.sources[index], model).sae.W_dec
