from __future__ import annotations

import pytest
from axon_inference.config import Settings, SettingsError


def test_defaults_and_empty_variables() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"AXON_MODEL": "", "AXON_GRPC_PORT": " "}) == Settings()


def test_variables_are_read() -> None:
    settings = Settings.from_env(
        {"AXON_MODEL": "gpt2-small", "AXON_SOURCES": "a/b, c ,", "AXON_GRPC_PORT": "6000"}
    )
    assert (settings.model, settings.sources, settings.port) == ("gpt2-small", ("a/b", "c"), 6000)


def test_log_levels_are_read_in_any_case() -> None:
    assert Settings.from_env({"AXON_LOG_LEVEL": "debug"}).log_level == "DEBUG"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("AXON_GRPC_PORT", "many", "a whole number"),
        ("AXON_GRPC_PORT", "70000", "0 to 65535"),
        ("AXON_SLOTS", "0", "at least 1"),
        ("AXON_DTYPE", "int4", "float32"),
        ("AXON_LOG_LEVEL", "loud", "DEBUG"),
        ("AXON_DEVICE", "gpu", "cuda:N"),
        ("AXON_ON_FAILURE", "stay", "exit, wait"),
    ],
)
def test_a_bad_value_names_its_variable(name: str, value: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_env({name: value})
    assert hint in str(caught.value)


def test_tokens_are_never_shown() -> None:
    assert "secret" not in repr(Settings.from_env({"AXON_GRPC_TOKENS": "secret"}))
    with pytest.raises(SettingsError, match=r"^AXON_GRPC_TOKENS: must be printable") as caught:
        Settings.from_env({"AXON_GRPC_TOKENS": "secret,two words"})
    assert "secret" not in str(caught.value)


def test_help_lists_every_variable() -> None:
    text = Settings.help()
    for name in ("AXON_MODEL", "AXON_SOURCES", "AXON_GRPC_PORT", "AXON_DEVICE"):
        assert name in text
