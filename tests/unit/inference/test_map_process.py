"""The process that makes a map. It imports this module, so there is little to import here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence

import numpy as np
import psutil
import pytest
import torch
from axon_inference.map.background import Background, NotMade
from axon_inference.map.kept import Storey
from axon_inference.map.making import make
from axon_inference.map.plan import Plan
from torch import Tensor

# The process has the lowest priority: beside other work it takes long to import torch.
pytestmark = pytest.mark.timeout(600)

WIDTHS = (300, 260, 260)
STOREYS = tuple(Storey(f"m/{layer}-res", width, layer) for layer, width in enumerate(WIDTHS))


def rows(widths: Sequence[int] = WIDTHS) -> list[Tensor]:
    """Directions that lie on a few planes, and are nearly the same in each storey."""
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(12, 2, 24, generator=generator)
    within = torch.randn(max(widths), 2, generator=generator)
    one = torch.stack(
        [within[i] @ planes[i % 12] + 3 * planes[i % 12, 0] for i in range(max(widths))]
    )
    return [one[:width] + 0.02 * torch.randn(width, 24, generator=generator) for width in widths]


def silent(stage: str, done: float) -> None:
    pass


PLAN = Plan(STOREYS, (0, 1, 2), "0" * 16)


def failing() -> Iterator[Tensor]:
    raise ValueError("no such file")


def endless() -> Iterator[Tensor]:
    yield rows()[0]
    time.sleep(600)
    yield rows()[1]


@pytest.mark.nightly
def test_a_process_makes_the_same_map_and_reports() -> None:
    told: list[tuple[str, float]] = []
    background = Background(PLAN, rows)

    def report(stage: str, done: float) -> None:
        told.append((stage, done))
        if len(told) == 1:
            assert psutil.Process(background.pid).nice() == 19

    found = background.run(report)
    here = make(STOREYS, rows(), "0" * 16, silent)
    assert np.array_equal(found.places, here.places)
    assert told[0][0] == "finding neighbours in m/0-res"
    assert told[-1][1] > 0.9
    assert not psutil.pid_exists(background.pid or 0)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_process_that_is_ended_leaves_nothing(how: str) -> None:
    background = Background(PLAN, endless)

    def end(stage: str, done: float) -> None:
        assert background.pid
        if how == "stop":
            background.stop()
        else:
            os.kill(background.pid, signal.SIGKILL)

    with pytest.raises(NotMade, match="-15" if how == "stop" else "-9"):
        background.run(end)
    assert not psutil.pid_exists(background.pid or 0)


def test_one_that_was_stopped_before_it_began_makes_nothing() -> None:
    background = Background(PLAN, rows)
    background.stop()
    with pytest.raises(NotMade, match="before it began"):
        background.run(silent)
    assert background.pid is None


def test_a_failure_in_the_process_is_told() -> None:
    with pytest.raises(NotMade, match="no such file"):
        Background(PLAN, failing).run(silent)
