"""What the settings of both services have in common."""

from __future__ import annotations

from dataclasses import fields

import pytest
from axon_gateway.config import Settings as Gateway
from axon_inference.config import Settings as Inference
from axon_service.settings import SettingsError

Settings = type[Gateway] | type[Inference]

both = pytest.mark.parametrize("settings", [Gateway, Inference])


@both
def test_without_variables_settings_are_the_defaults(settings: Settings) -> None:
    assert settings.from_environment({}) == settings()
    assert settings().host == "127.0.0.1"


@both
def test_help_lists_every_variable_with_its_meaning_and_default(settings: Settings) -> None:
    lines = settings.help().splitlines()
    listed = [tuple(line.split(maxsplit=1)) for line in lines[::2]]
    assert listed == [
        (each.metadata["variable"], each.metadata["about"]) for each in fields(settings)
    ]
    defaults = dict(zip((name for name, _ in listed), lines[1::2], strict=True))
    port = {Gateway: "AXON_PORT", Inference: "AXON_GRPC_PORT"}[settings]
    assert defaults[port].strip() == f"(default: {settings().port})"


def test_help_shows_defaults_as_they_are_written() -> None:
    text = Gateway.help() + Inference.help()
    for default in ("none", "0", "127.0.0.0/8, ::1/128", "3.0", "info", "INFO"):
        assert f"(default: {default})" in text
    for absent in ("()", "{}", "None", "False", ""):
        assert f"(default: {absent})" not in text


@pytest.mark.parametrize(
    ("settings", "variable", "value", "hint"),
    [
        (Gateway, "AXON_PORT", "http", "a whole number"),
        (Gateway, "AXON_PORT", "65536", "0 to 65535"),
        (Gateway, "AXON_HOST", "", "not be empty"),
        (Gateway, "AXON_MAX_ROOMS", "0", "at least 1"),
        (Gateway, "AXON_ROOM_IDLE", "-1", "0 or more"),
        (Gateway, "AXON_ROOM_IDLE", "nan", "a finite number"),
        (Gateway, "AXON_BODY_TIMEOUT", "0", "above 0"),
        (Gateway, "AXON_BODY_TIMEOUT", "soon", "a number"),
        (Gateway, "AXON_LOG_FORMAT", "xml", "plain, json"),
        (Gateway, "AXON_NEURONPEDIA_API", "neuronpedia.org", "an http or https address"),
        (Inference, "AXON_GRPC_PORT", "many", "a whole number"),
        (Inference, "AXON_GRPC_PORT", "70000", "0 to 65535"),
        (Inference, "AXON_SLOTS", "0", "at least 1"),
        (Inference, "AXON_DTYPE", "int4", "float32"),
        (Inference, "AXON_LOG_LEVEL", "loud", "DEBUG"),
        (Inference, "AXON_DEVICE", "gpu", "cuda:N"),
        (Inference, "AXON_ON_FAILURE", "stay", "exit, wait"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_to_write(
    settings: Settings, variable: str, value: str, hint: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.from_environment({variable: value})
    assert str(refused.value).startswith(f"{variable}={value!r} cannot be used: ")
    assert hint in str(refused.value)


def test_choices_are_read_in_any_case_and_spelled_as_the_service_does() -> None:
    for text in ("DEBUG", "debug", "Debug"):
        assert Gateway.from_environment({"AXON_LOG_LEVEL": text}).log_level == "debug"
        assert Inference.from_environment({"AXON_LOG_LEVEL": text}).log_level == "DEBUG"


def test_secrets_are_never_shown() -> None:
    secret = []
    for settings in (Gateway, Inference):
        for each in fields(settings):
            if each.metadata["secret"]:
                secret.append(each.metadata["variable"])
                read = settings.from_environment({secret[-1]: "hidden"})
                assert "hidden" in getattr(read, each.name)
                assert "hidden" not in repr(read)
    assert secret == [
        "AXON_BACKEND_TOKEN",
        "AXON_GENERATE_TOKENS",
        "AXON_JOIN_TOKENS",
        "AXON_GRPC_TOKENS",
    ]


@pytest.mark.parametrize(
    ("settings", "variable"), [(Gateway, "AXON_BACKEND_TOKEN"), (Inference, "AXON_GRPC_TOKENS")]
)
def test_a_bad_secret_is_refused_without_showing_it(settings: Settings, variable: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{variable} cannot be used: .*printable") as refused:
        settings.from_environment({variable: "hidden ключ"})
    assert "hidden" not in str(refused.value)
