"""Both services start from the folders that their images hold, where none of our packages is
installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from ..patience import PATIENCE, wait_for_port
from ..ports import free_port
from .process import wait_until_serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is installed here, without ours."""
    folder = tmp_path_factory.mktemp("packages")
    for one in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match(r"_*(editable_impl_)?axon", one.name):
            (folder / one.name).symlink_to(one)
    return folder


@contextmanager
def image(service: str, packages: Path, app: Path, **variables: object) -> Iterator[None]:
    """The service, run from what the last stage of its Dockerfile copies from here."""
    stage = (ROOT / service / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    for arguments in re.findall(r"^COPY --chown=\S+ (.+)$", stage, re.MULTILINE):
        *sources, target = arguments.split()
        for source in sources:
            place = app / target / (Path(source).name if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, place)
    found = re.search(r"PYTHONPATH=(\S+)", stage)
    assert found
    paths = [*found[1].replace("/app", str(app)).split(":"), str(packages)]
    settings = {"PYTHONPATH": os.pathsep.join(paths), **variables}
    process = subprocess.Popen(
        [sys.executable, "-S", "-m", f"axon_{service}"],  # -S: without what is installed here
        cwd=app,
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
    )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def gateway(packages: Path, app: Path, http: int, grpc: int) -> AbstractContextManager[None]:
    settings = {
        "AXON_INFERENCE": f"127.0.0.1:{grpc}",
        "AXON_PORT": http,
        "AXON_REDIS_URL": "redis://127.0.0.1:1",  # without it rooms stay at this gateway
    }
    return image("gateway", packages, app, **settings)


def answers(http: int, path: str) -> None:
    with urlopen(f"http://127.0.0.1:{http}/api/{path}", timeout=PATIENCE) as answer:
        assert answer.status == 200


def test_the_gateway_starts_from_what_its_image_holds(packages: Path, tmp_path: Path) -> None:
    http = free_port()
    with gateway(packages, tmp_path, http, free_port()):
        wait_for_port(http)
        answers(http, "docs/openapi.json")


@pytest.mark.nightly
@pytest.mark.timeout(300)  # torch is imported anew
def test_both_start_from_what_their_images_hold(packages: Path, tmp_path: Path) -> None:
    grpc, http = free_port(), free_port()
    inference = image("inference", packages, tmp_path / "inference", AXON_GRPC_PORT=grpc)
    with inference, gateway(packages, tmp_path / "gateway", http, grpc):
        wait_until_serving(grpc)
        wait_for_port(http)
        answers(http, "model")
