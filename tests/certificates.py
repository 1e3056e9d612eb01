"""Certificates for the tests of TLS, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificates:
    """PEM files: an authority, and a server's certificate (signed by it) and key."""

    ca: Path
    cert: Path
    key: Path


def make(folder: Path, *names: str) -> Certificates:
    """A new authority and a certificate for `names` ("DNS:lab.example", "IP:127.0.0.1")."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    ca_key = folder / "ca.key"
    _request("-subj", "/CN=test authority", "-keyout", ca_key, "-out", made.ca)
    _request(
        *("-subj", "/CN=server", "-addext", f"subjectAltName={','.join(names)}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", made.ca, "-CAkey", ca_key, "-keyout", made.key, "-out", made.cert),
    )
    return made


def _request(*arguments: str | Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    command = ["openssl", "req", "-x509", "-days", "2", *key, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
