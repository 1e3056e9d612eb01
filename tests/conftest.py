"""What holds for every test."""

import os
from pathlib import Path

import pytest

# Decided before any module of a service is imported: a test sees only the settings it makes itself,
# whatever `make test AXON_MODEL=...` or the developer's shell has set, and never asks the hub.
for variable in [name for name in os.environ if name.startswith("AXON_")]:
    if not variable.startswith("AXON_FUZZ_"):  # how many inputs is the runner's to say
        del os.environ[variable]
os.environ["HF_HUB_OFFLINE"] = "1"

COMPOSE = Path(__file__).parent / "compose"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The tests of the containers run only when they are named: they take Docker and minutes."""
    if collection_path != COMPOSE:
        return None
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(COMPOSE) for path in named) else True
