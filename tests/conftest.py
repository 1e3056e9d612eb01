"""Settings for all tests."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

# This runs before any module of a service is imported. Tests see only the settings that they make,
# not those of `make test AXON_MODEL=...` or the developer's shell, and never ask the hub.
for variable in [name for name in os.environ if name.startswith("AXON_")]:
    if not variable.startswith("AXON_FUZZ_"):  # the caller may set the number of fuzz inputs
        del os.environ[variable]
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ["OMP_NUM_THREADS"] = "1"

COMPOSE = Path(__file__).parent / "compose"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep captured output as UTF-8. Some tests log half a surrogate pair, which a worker of
    pytest-xdist cannot send."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the container tests unless they are named: they need Docker and take minutes."""
    if collection_path != COMPOSE:
        return None
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(COMPOSE) for path in named) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that start inference come first, so that one worker takes them all: it starts the real
    stack, and imports torch for other processes, once."""

    def starts_inference(item: pytest.Item) -> bool:
        module = getattr(item, "module", None)
        return "stack" in getattr(item, "fixturenames", ()) or hasattr(module, "forked")

    items.sort(key=lambda item: not starts_inference(item))
