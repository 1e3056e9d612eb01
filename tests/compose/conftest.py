"""One shared stack for the tests that do not change it, and separate stacks for those that do."""

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
    """The shared stack, started once; tests use `stack`."""
    stack = Stack(PROJECT)
    stack.up()
    yield stack
    stack.compose("--profile", "*", "down", "--volumes", "--timeout", "5")


@pytest_asyncio.fixture
async def stack(started: Stack) -> AsyncIterator[Stack]:
    """The shared stack, ready to generate."""
    await started.ready()
    yield started


@pytest.fixture
def another(images: None) -> Iterator[Maker]:
    """Makes separate stacks, which are removed after the test."""
    made: list[Stack] = []

    def make(**variables: str) -> Stack:
        made.append(Stack(f"{PROJECT}-{len(made) + 1}", **variables))
        return made[-1]

    yield make
    for stack in made:
        stack.compose("down", "--volumes", "--timeout", "1", check=False)
