"""A service whose model cannot be loaded."""

from __future__ import annotations

import logging

import pytest
from axon_inference.catalog.downloads import HubError, HubUnreachable
from axon_inference.loading.starting import CannotServe, bring_up


class Loader:
    """Raises the given failures one after another, then loads."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.told: list[str] = []
        self.loaded = False

    async def load(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.loaded = True

    def refuse(self, reason: str) -> None:
        self.told.append(reason)


class Clock:
    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_the_process_ends_with_the_reason(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(HubUnreachable("the hub\n  is silent"))
    with pytest.raises(CannotServe, match="the hub is silent"):
        await bring_up(loader, wait=False, sleep=clock.sleep)
    assert caplog.messages == ["cannot serve: the hub is silent"]
    assert (loader.loaded, clock.slept) == (False, [])


async def test_a_permanent_failure_is_not_tried_again(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(HubError("there is no repository a/b"))
    await bring_up(loader, wait=True, sleep=clock.sleep)
    assert caplog.messages == ["cannot serve: there is no repository a/b"]
    assert loader.told == ["cannot serve: there is no repository a/b"]
    assert (loader.loaded, clock.slept) == (False, [])


async def test_a_temporary_failure_is_tried_again_with_growing_pauses(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(*[HubUnreachable("the hub is silent")] * 8)
    await bring_up(loader, wait=True, sleep=clock.sleep)
    assert loader.loaded
    assert clock.slept == [5, 10, 20, 40, 80, 160, 300, 300]
    assert caplog.messages[1] == "cannot serve: the hub is silent; trying again in 10 s"
    assert len(caplog.messages) == 8
    assert set(loader.told) == {"cannot serve: the hub is silent"}


async def test_an_unexpected_failure_is_logged_with_its_traceback(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    loader = Loader(KeyError("gone"))
    await bring_up(loader, wait=True, sleep=clock.sleep)
    [record] = caplog.records
    assert record.getMessage() == "cannot serve: KeyError: 'gone'"
    assert record.exc_info
    assert loader.told == ["cannot serve: KeyError: 'gone'"]
