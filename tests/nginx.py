"""Axon's own nginx, and a university's in front of it, as processes of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .certificates import Certificates
from .patience import PATIENCE, wait_for_port
from .ports import free_port

ROOT = Path(__file__).resolve().parents[1]
OURS = ROOT / "frontend" / "nginx"
#: Of the script before nginx: more than it takes, and less than it stays when it refuses.
PATIENCE_S = 20


def program() -> str:
    """The nginx of this machine."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("nginx is not installed")
    return found


@dataclass
class Front:
    """Axon's nginx; `said` is what it and the script before it wrote."""

    folder: Path
    port: int

    @property
    def said(self) -> str:
        return "".join(file.read_text() for file in sorted(self.folder.glob("std*")))

    @property
    def workers(self) -> int:
        master = (self.folder / "tmp/nginx.pid").read_text().strip()
        return len(Path(f"/proc/{master}/task/{master}/children").read_text().split())


def prepared(
    folder: Path,
    gateway: str,
    tls: Certificates | None = None,
    page: Path | None = None,
    **variables: str,
) -> tuple[Front, dict[str, str]]:
    """The image's files with other paths and ports, and the environment of its programs."""
    front = Front(folder, free_port())
    conf, temporary, bin_ = folder / "etc", folder / "tmp", folder / "bin"
    for new in (conf / "conf.d", temporary, bin_, folder / "tls", folder / "html"):
        new.mkdir(parents=True)
    for name in ("index", "room"):
        (folder / "html" / f"{name}.html").write_text(f"<title>{name}</title>")
    if tls is not None:
        shutil.copy(tls.cert, folder / "tls/page.crt")
        shutil.copy(tls.key, folder / "tls/page.key")

    places = {
        "/etc/nginx/mime.types": "/etc/nginx/mime.types",
        "/etc/nginx": str(conf),
        "/usr/share/nginx/html": str(page or folder / "html"),
        "/run/tls": str(folder / "tls"),
        "/dev/std": f"{folder}/std",
        "/tmp": str(temporary),
        "127.0.0.1:8081": f"127.0.0.1:{free_port()}",
    }

    def placed(text: str) -> str:
        return re.sub("|".join(places), lambda found: places[found[0]], text)

    values = {
        "AXON_LISTEN": f"{front.port}{' ssl' if tls else ''}",
        "AXON_GRPC_LISTEN": f"{free_port()} http2",
        "AXON_GATEWAY": gateway,
        "AXON_INFERENCE": "127.0.0.1:9",
        "AXON_RESOLVER": "127.0.0.1",
        **variables,
    }
    user = "user root;\n" if os.geteuid() == 0 else ""
    (conf / "nginx.conf").write_text(user + placed((OURS / "nginx.conf").read_text()))
    (conf / "headers.conf").write_text((OURS / "headers.conf").read_text())
    template = (OURS / "templates/axon.conf.template").read_text()
    filled = re.sub(r"\$\{(AXON_\w+)\}", lambda found: values[found[1]], template)
    (conf / "conf.d/axon.conf").write_text(placed(filled))
    script = folder / "30-axon.sh"
    script.write_text(placed((OURS / "30-axon.sh").read_text()))
    (bin_ / "nginx").write_text(f'#!/bin/sh\nexec {program()} -c {conf}/nginx.conf "$@"\n')
    (bin_ / "nginx").chmod(0o755)
    return front, {**values, "PATH": f"{bin_}:{os.environ['PATH']}"}


@contextlib.contextmanager
def axon(
    folder: Path,
    gateway: str,
    tls: Certificates | None = None,
    page: Path | None = None,
    **variables: str,
) -> Iterator[Front]:
    """Axon's nginx in front of a gateway at HOST:PORT, started as its image starts it."""
    front, environment = prepared(folder, gateway, tls, page, **variables)
    subprocess.run(["sh", folder / "30-axon.sh"], env=environment, check=True, timeout=PATIENCE_S)
    with _running([str(folder / "bin/nginx"), "-g", "daemon off;"], environment, front.port):
        yield front


def refusal(folder: Path, tls: Certificates | None = None, **variables: str) -> list[str]:
    """The lines with which the script refuses to let nginx start."""
    _, environment = prepared(folder, "127.0.0.1:9", tls, **variables)
    log, deadline = folder / "said", time.monotonic() + PATIENCE_S
    with log.open("w") as out:
        script = subprocess.Popen(["sh", folder / "30-axon.sh"], env=environment, stderr=out)
    while not log.read_text().endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    assert script.poll() is None, "it must stay, or Docker starts it again and again"
    script.kill()
    script.wait()
    return log.read_text().splitlines()


def documented(here: dict[str, str]) -> str:
    """The configuration of a proxy in docs/deploy.md, with what is different here."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    [block] = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    for there, mine in here.items():
        assert there in block
        block = block.replace(there, mine)
    return str(block)


@contextlib.contextmanager
def university(
    folder: Path, axon_port: int, made: Certificates, *, without: str = ""
) -> Iterator[str]:
    """The documented proxy, with Axon at https://.../axon/; `without` drops lines."""
    port = free_port()
    block = documented(
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/axon.pem": str(made.cert),
            "/etc/ssl/axon.key": str(made.key),
            "10.0.0.7:8000": f"127.0.0.1:{axon_port}",
        }
    )
    if without:
        assert without in block
        block = "\n".join(line for line in block.splitlines() if without not in line)
    folder.mkdir()
    conf = folder / "nginx.conf"
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    conf.write_text(
        f"{user} pid {folder}/pid; error_log {folder}/log; events {{}}\n"
        f"http {{ access_log off; {paths}\n{block}\n}}\n"
    )
    command = [program(), "-c", str(conf), "-g", "daemon off;"]
    with _running(command, dict(os.environ), port):
        yield f"https://127.0.0.1:{port}/axon/"


@contextlib.contextmanager
def caddy(folder: Path, axon_port: int, made: Certificates, name: str) -> Iterator[str]:
    """Caddy as in deploy/caddy.yaml, with a certificate in place of ACME."""
    found = shutil.which("caddy")
    if found is None:
        pytest.skip("caddy is not installed")
    port = free_port()
    folder.mkdir()
    (folder / "Caddyfile").write_text(
        # Not HTTP/3: free_port holds the UDP port.
        "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n"
        " servers {\n  protocols h1 h2\n }\n}\n"
        f"https://{name}:{port}, https://127.0.0.1:{port} {{\n"
        f" tls {made.cert} {made.key}\n reverse_proxy 127.0.0.1:{axon_port}\n}}\n"
    )
    # Without a PATH: nothing that could change which authorities this machine trusts.
    environment = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": ""}
    command = [found, "run", "--config", str(folder / "Caddyfile")]
    with _running(command, environment, port):
        yield f"https://127.0.0.1:{port}/"


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)
