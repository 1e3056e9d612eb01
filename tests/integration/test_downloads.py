"""The service and its commands with a fake Hugging Face hub."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import tiny
from ..fake_hub import FakeHub
from ..fake_hub import serving as serving_hub
from ..ports import free_port
from ..releases import HubCache
from .process import START_SECONDS, Forked, end, forked, healthcheck, serving

REPOSITORY = "openai-community/gpt2"

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The hub's files: a tiny model and SAE under the names of GPT-2 small's."""
    with pytest.MonkeyPatch.context() as patch:
        cache = HubCache(tmp_path_factory.mktemp("hub"), patch)
        tiny.family_folder(cache.snapshot(REPOSITORY), "gpt2", n_layers=9)
        cache.add_sae(
            "gpt2-small-res-jb/blocks.8.hook_resid_pre", hook_point="blocks.8.hook_resid_pre"
        )
        return {
            repository: {
                str(path.relative_to(folder)): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file()
            }
            for repository in (REPOSITORY, "jbloom/GPT2-Small-SAEs-Reformatted")
            for folder in [cache.snapshot(repository)]
        }


@pytest.fixture
def hub(files: dict[str, dict[str, bytes]]) -> Iterator[FakeHub]:
    with serving_hub(FakeHub(repositories={name: dict(has) for name, has in files.items()})) as hub:
        yield hub


def variables(hub: FakeHub, home: Path) -> dict[str, object]:
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": home,
        "HF_HUB_OFFLINE": "",
        "AXON_MODEL": "gpt2-small",
        "AXON_MAP": "off",
        "AXON_GRPC_PORT": free_port(),
    }


# What the package would have read from the environment while it was imported.
USES_THE_HUB = """
import os
from huggingface_hub import constants
constants.ENDPOINT = os.environ["HF_ENDPOINT"]
constants.HUGGINGFACE_CO_URL_TEMPLATE = (
    constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
)
constants.HF_HUB_CACHE = os.environ["HF_HOME"] + "/hub"
constants.HF_HUB_OFFLINE = False
"""


def test_a_preset_is_downloaded_and_served_once_the_hub_works(hub: FakeHub, tmp_path: Path) -> None:
    hub.trouble = 503
    settings = variables(hub, tmp_path) | {"AXON_ON_FAILURE": "wait"}
    with forked(USES_THE_HUB, **settings) as process:
        reason = line_with(process, "cannot serve")
        assert re.search(r"answered 503 for openai-community/gpt2.*trying again in 5 s", reason)
        code, health = healthcheck(**settings)
        assert (code, "answered 503" in health) == (1, True)
        hub.trouble = 0
        line_with(process, r"downloading openai-community/gpt2, jbloom/\S+: \d+ kB in \d files")
        line_with(process, "downloaded openai-community/gpt2")
        line_with(process, "loading source gpt2-small-res-jb/blocks.8.hook_resid_pre")
        line_with(process, "serving gpt2-small/8-res-jb")
        process.terminate()
        code, errors = end(process)
    assert code == 0
    assert "Traceback" not in errors
    hub.broken = True
    with serving("download", **{**settings, "HF_HUB_OFFLINE": "1"}) as process:
        assert end(process)[0] == 0  # nothing is left to download


def test_a_killed_download_resumes_where_it_ended(hub: FakeHub, tmp_path: Path) -> None:
    weights = os.urandom(1 << 20) * 25
    hub.repositories[REPOSITORY]["model.safetensors"] = weights
    settings = variables(hub, tmp_path)
    hub.cuts = {"model.safetensors": [-(22 << 20)]}
    with serving("download", **settings) as process:
        part = _wait_for_part(process, tmp_path / "hub", at_least=10 << 20)
        process.kill()
        process.wait()
    size = part.stat().st_size
    with serving("download", **settings) as process:
        code, errors = end(process)
    assert code == 0, errors
    assert hub.ranges("model.safetensors") == ["", f"bytes={size}-"]
    assert "are here already" in errors
    [found] = (tmp_path / "hub").rglob("snapshots/*/model.safetensors")
    assert found.read_bytes() == weights


def line_with(process: Forked, pattern: str) -> str:
    """The next line of the process's log that this pattern matches."""
    return next(line for line in process.stderr if re.search(pattern, line))


def _wait_for_part(process: subprocess.Popen[str], cache: Path, at_least: int) -> Path:
    """The partial file of a running download, once it has this many bytes."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        for path in cache.rglob("*.incomplete"):
            if path.stat().st_size >= at_least:
                return path
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"nothing was downloaded: {end(process)[1]}")


def test_the_refusal_of_a_gated_model_names_the_token_variable(
    hub: FakeHub, tmp_path: Path
) -> None:
    hub.gated.add(REPOSITORY)
    with serving("download", **variables(hub, tmp_path)) as process:
        code, errors = end(process)
    assert code == 1
    assert "is gated" in errors.splitlines()[-1]
    assert "HF_TOKEN" in errors.splitlines()[-1]
    assert "Traceback" not in errors
