"""How the inference service reads its environment."""

from __future__ import annotations

from axon_inference.config import Settings


def test_an_empty_variable_means_its_default() -> None:
    assert Settings.from_environment({"AXON_MODEL": "", "AXON_GRPC_PORT": " "}) == Settings()


def test_variables_are_read() -> None:
    settings = Settings.from_environment(
        {"AXON_MODEL": "gpt2-small", "AXON_SOURCES": "a/b, c ,", "AXON_GRPC_PORT": "6000"}
    )
    assert (settings.model, settings.sources, settings.port) == ("gpt2-small", ("a/b", "c"), 6000)
