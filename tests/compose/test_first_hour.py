"""The settings, proxies, certificates, caches and offline machines of docs/deploy.md."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from .. import certificates, nginx
from ..ports import free_port
from .conftest import Maker
from .stack import ROOT, Stack, docker
from .test_bad_input import assert_told_once, make
from .test_images import pinned

pytestmark = pytest.mark.timeout(900)

NAME = "axon.uni.example"
BROWSER = {"Host": NAME, "Origin": f"https://{NAME}"}


@pytest.fixture
def made(tmp_path: Path) -> certificates.Certificates:
    made = certificates.make(tmp_path / "made", "IP:127.0.0.1", f"DNS:{NAME}")
    made.key.chmod(0o644)  # nginx reads it, and does not run as root
    return made


async def status(url: str, made: certificates.Certificates) -> int:
    """The gateway's answer to a browser that knows it by NAME; 200 or 503 if the name is proved."""
    context = ssl.create_default_context(cafile=made.ca)
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.get(url, headers=BROWSER) as answer,
    ):
        return int(answer.status)


def up(stack: Stack) -> None:
    """Page and gateway only: no test here generates."""
    stack.up("--no-deps", "frontend", "gateway", "redis")
    for service in ("frontend", "gateway"):
        stack.wait_until(service, lambda one=service: stack.health(one) == "healthy", 120)


def test_a_settings_file_of_ones_own(another: Maker, tmp_path: Path) -> None:
    stack = another()
    settings = tmp_path / "mine.env"
    settings.write_text("AXON_MAX_ROOMS=7\nAXON_LABELS=/no/such/place\n")
    (labels := tmp_path / "labels").mkdir()
    stack.variables["AXON_LABELS"] = str(labels)  # a variable of the shell comes first
    stack.compose("--env-file", str(settings), "up", "--detach", "--no-deps", "gateway")
    (gateway,) = stack.containers("gateway")
    assert docker("exec", gateway, "printenv", "AXON_MAX_ROOMS", "AXON_LABELS").split() == [
        "7",
        "/labels",
    ]


async def test_a_proxy_on_the_same_machine(
    another: Maker, tmp_path: Path, made: certificates.Certificates
) -> None:
    stack = another(AXON_PROXY="host")
    up(stack)
    with nginx.university(tmp_path / "university", stack.port, made) as url:
        assert await status(f"{url}api/model", made) == 503  # no model runs, but the name is known
        assert await status(url, made) == 200
        stack.variables["AXON_PROXY"] = ""
        up(stack)
        assert await status(f"{url}api/model", made) == 403
    assert "is not believed" in stack.logs("gateway")


async def test_a_proxy_in_a_container(
    another: Maker, tmp_path: Path, made: certificates.Certificates
) -> None:
    stack = another()
    up(stack)
    port = free_port()
    (tmp_path / "proxy.conf").write_text(nginx.documented({"10.0.0.7:8000": "frontend:8080"}))
    mounts = {
        "/etc/nginx/conf.d/default.conf": tmp_path / "proxy.conf",
        "/etc/ssl/axon.pem": made.cert,
        "/etc/ssl/axon.key": made.key,
    }
    volumes = [f"--volume={here}:{there}:ro" for there, here in mounts.items()]
    place = (f"--publish=127.0.0.1:{port}:443", f"--network={stack.project}_axon")
    name = f"{stack.project}-university"
    try:
        docker("run", "--detach", "--name", name, *place, *volumes, pinned("NGINX_IMAGE"))
        network = json.loads(docker("inspect", name))[0]["NetworkSettings"]["Networks"]
        stack.variables["AXON_PROXY"] = network[f"{stack.project}_axon"]["IPAddress"]
        up(stack)
        url = f"https://127.0.0.1:{port}/axon/"
        assert await status(url, made) == 200
        assert await status(f"{url}api/model", made) == 503
    finally:
        docker("rm", "--force", name)


async def test_the_page_over_tls_takes_one_variable(
    another: Maker, tmp_path: Path, made: certificates.Certificates
) -> None:
    both = tmp_path / "axon.pem"
    both.write_text(made.cert.read_text() + made.key.read_text())
    stack = another(AXON_TLS_CERT=str(both))
    up(stack)
    url = f"https://127.0.0.1:{stack.port}/"
    assert await status(url, made) == 200
    assert await status(f"{url}api/model", made) == 503


def test_a_certificate_that_cannot_be_used_is_told(another: Maker, tmp_path: Path) -> None:
    (text := tmp_path / "axon.pem").write_text("not a certificate")
    stack = another(AXON_TLS_CERT=str(text))
    stack.up("--no-deps", "frontend")
    assert_told_once(stack, "frontend", "AXON_TLS_CERT cannot be used; it must be a PEM file")
    assert "cannot load certificate" in stack.logs("frontend")
    missing = another(AXON_TLS_CERT=str(tmp_path / "no-such.pem"))
    done = missing.compose("up", "--detach", "--no-deps", "frontend", check=False)
    assert done.returncode != 0
    assert "no-such.pem" in done.stderr


def test_a_proxy_that_is_no_address_is_told(another: Maker) -> None:
    stack = another(AXON_PROXY="proxy.uni.example")
    stack.up("--no-deps", "frontend")
    assert_told_once(stack, "frontend", "AXON_PROXY=proxy.uni.example cannot be used")


def test_a_cache_of_this_machine_is_written_as_its_user(another: Maker, tmp_path: Path) -> None:
    cache = tmp_path / "huggingface"
    cache.mkdir()
    for folder in (cache, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    os.chown(cache, 1234, 1234)
    stack = another(AXON_HF_HOME=str(cache), AXON_USER="1234:1234")
    write = "import os, pathlib; pathlib.Path(os.environ['HF_HOME'], 'it').touch()"
    stack.compose("run", "--rm", "-T", "--no-deps", "inference", "python", "-c", write)
    assert (cache / "it").stat().st_uid == 1234


def test_grafana_without_a_password_does_not_start(tmp_path: Path) -> None:
    stack = Stack("axon-test-config")
    text = stack.compose("--profile", "observability", "config", "--format", "json").stdout
    shell, option, script = json.loads(text)["services"]["grafana"]["entrypoint"]
    # Compose writes every $ twice, for itself to read again.
    script = script.replace("$$", "$").replace("/run.sh", "echo started #")
    script = script.replace("exec sleep infinity", "exit 1")

    def run(password: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "GF_SECURITY_ADMIN_PASSWORD": password}
        command = [shell, option, script]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    assert (run("s3cret").returncode, run("s3cret").stdout) == (0, "started\n")
    refused = run("")
    assert refused.returncode == 1
    assert "set AXON_GRAFANA_PASSWORD" in refused.stdout


def test_a_bundle_starts_on_a_machine_without_internet(another: Maker, tmp_path: Path) -> None:
    """The images and the models are removed here, and come back from the bundle."""
    ours = ("axon-frontend", "axon-gateway", "axon-inference")
    stack = another(AXON_TAG="bundle", TO=str(tmp_path / "made"))
    write = "open('/data/a-model', 'w').write('here')"
    for name in ours:
        docker("tag", f"{name}:test", f"{name}:bundle")
    try:
        stack.compose("run", "--rm", "-T", "--no-deps", "inference", "python", "-c", write)
        done = make(stack, "bundle")
        assert done.returncode == 0, done.stdout + done.stderr
        stack.compose("down", "--volumes")
        docker("image", "rm", *(f"{name}:bundle" for name in ours))
        restore = ["sh", str(tmp_path / "made" / "restore.sh")]
        restored = subprocess.run(
            restore, env=stack.environment, capture_output=True, text=True, timeout=600
        )
        assert restored.returncode == 0, restored.stderr
        assert "axon: restored. Start it: cd " in restored.stdout
        stack.files = [tmp_path / "made" / "compose.yaml"]
        stack.up("--no-build")
        (inference,) = stack.containers("inference")
        assert docker("exec", inference, "cat", "/data/a-model") == "here"
        asyncio.run(stack.ready())
    finally:
        stack.compose("down", "--volumes", "--timeout", "1", check=False)
        stack.files = [ROOT / "compose.yaml"]
        docker("image", "rm", *(f"{name}:bundle" for name in ours), check=False)
