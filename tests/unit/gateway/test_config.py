"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from axon_gateway import config
from axon_gateway.config import ConfigError, Settings


def test_nothing_set_is_the_defaults() -> None:
    assert config.from_environment({}) == Settings()
    assert (Settings().host, Settings().port) == ("127.0.0.1", 8000)


def test_every_variable_is_read() -> None:
    settings = config.from_environment(
        {
            "AXON_HOST": "0.0.0.0",
            "AXON_PORT": "9",
            "AXON_ORIGINS": "https://a.example/, https://b.example",
            "AXON_LABELS": "/labels",
            "AXON_PAGE": "",
            "AXON_ROOM_GRACE": "2.5",
            "AXON_LOG_LEVEL": "DEBUG",
        }
    )
    assert (settings.host, settings.port, settings.room_grace) == ("0.0.0.0", 9, 2.5)
    assert settings.origins == ("https://a.example", "https://b.example")
    assert (settings.labels, settings.page) == (Path("/labels"), None)
    assert settings.log_level == "debug"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AXON_PORT", "http"),
        ("AXON_PORT", "65536"),
        ("AXON_HOST", ""),
        ("AXON_MAX_ROOMS", "0"),
        ("AXON_ROOM_IDLE", "-1"),
        ("AXON_ROOM_IDLE", "nan"),
        ("AXON_LOG_FORMAT", "xml"),
    ],
)
def test_a_bad_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        config.from_environment({variable: value})


def test_help_lists_every_variable() -> None:
    text = config.describe()
    assert "AXON_PORT" in text
    assert "8000" in text
    assert text.count("AXON_") >= len(Settings.__slots__)
