"""One stack for all tests that leave it as they found it, and more for those that do not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from .stack import Stack

PROJECT = f"axon-test-{os.getpid()}"

Maker = Callable[..., Stack]


@pytest.fixture(scope="session")
def images() -> None:
    """Builds the images once; they are tagged `test`."""
    Stack(PROJECT).compose("build", seconds=3000)


@pytest.fixture(scope="session")
def started(images: None) -> Iterator[Stack]:
    """Everything, brought up once; see `stack`."""
    stack = Stack(PROJECT)
    stack.up()
    yield stack
    stack.compose("--profile", "*", "down", "--volumes", "--timeout", "5")


@pytest_asyncio.fixture
async def stack(started: Stack) -> AsyncIterator[Stack]:
    """The common stack, ready to generate."""
    await started.ready()
    yield started


@pytest.fixture
def another(images: None) -> Iterator[Maker]:
    """Makes stacks of a test's own, which are removed after it."""
    made: list[Stack] = []

    def make(**variables: str) -> Stack:
        made.append(Stack(f"{PROJECT}-{len(made) + 1}", **variables))
        return made[-1]

    yield make
    for stack in made:
        stack.compose("down", "--volumes", "--timeout", "1", check=False)
