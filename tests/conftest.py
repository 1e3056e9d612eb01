"""Settings for all tests."""

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

# This runs before any module of a service is imported. Tests see only the settings that they make,
# not those of `make test AXON_MODEL=...` or the developer's shell, and never ask the hub.
for variable in [name for name in os.environ if name.startswith("AXON_")]:
    if not variable.startswith("AXON_FUZZ_"):  # the caller may set the number of fuzz inputs
        del os.environ[variable]
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ["OMP_NUM_THREADS"] = "1"

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "axon", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("axon")

HERE = Path(__file__).parent
COMPOSE = HERE / "compose"
NEED_TORCH = [
    HERE / name for name in ("fuzz", "parity", "unit/bench", "unit/demo_model", "unit/inference")
]


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
    """Order the tests so that as few workers as possible import torch, which takes ten seconds.

    Each worker begins with a run of neighbours, and takes from others when it has done its own.
    First come tests that start inference, from a process that has imported torch for all of them;
    last, those that need torch themselves.
    """

    def place(item: pytest.Item) -> int:
        fixtures, module = getattr(item, "fixturenames", ()), getattr(item, "module", None)
        if "stack" in fixtures or hasattr(module, "forked"):
            return 0
        return 2 if any(map(item.path.is_relative_to, NEED_TORCH)) else 1

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """More workers than cores, since tests spend half their time waiting for a process or a time.
    One takes about 2 GB."""
    return min(5, 2 * (os.cpu_count() or 1) + 1)
