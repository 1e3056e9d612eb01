"""Settings for all tests."""

import os
from pathlib import Path

import pytest

# This runs before any module of a service is imported. Tests see only the settings that they make,
# not those of `make test AXON_MODEL=...` or the developer's shell, and never ask the hub.
for variable in [name for name in os.environ if name.startswith("AXON_")]:
    if not variable.startswith("AXON_FUZZ_"):  # the caller may set the number of fuzz inputs
        del os.environ[variable]
os.environ["HF_HUB_OFFLINE"] = "1"

COMPOSE = Path(__file__).parent / "compose"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the container tests unless they are named: they need Docker and take minutes."""
    if collection_path != COMPOSE:
        return None
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(COMPOSE) for path in named) else True
