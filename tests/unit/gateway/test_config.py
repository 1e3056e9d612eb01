"""The gateway's own kinds of settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from axon_gateway.config import Settings
from axon_service.settings import SettingsError


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
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
    ("text", "targets"),
    [
        ("", ("127.0.0.1:50051",)),
        ("a:1", ("a:1",)),
        ("a:1,b:2, c:3", ("a:1", "b:2", "c:3")),
        ("dns:///a:1 ipv4:10.0.0.1:1,10.0.0.2:1", ("dns:///a:1", "ipv4:10.0.0.1:1,10.0.0.2:1")),
    ],
)
def test_backends(text: str, targets: tuple[str, ...]) -> None:
    assert Settings.from_environment({"AXON_BACKENDS": text}).targets == targets


def test_overrides_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text('{"gpt2-small/8-res-jb/17": "capitals"}')
    settings = Settings.from_environment({"AXON_LABEL_OVERRIDES": str(file)})
    assert settings.label_overrides == {("gpt2-small/8-res-jb", 17): "capitals"}


def test_the_pages_own_labels_are_such_a_file() -> None:
    file = Path(__file__).parents[2] / "golden" / "labels.json"
    settings = Settings.from_environment({"AXON_LABEL_OVERRIDES": str(file)})
    assert settings.label_overrides == {
        ("gpt2-small/8-res-jb", 17): "“capitals”, as seats of government",
        ("gpt2-small/8-res-jb", 170): "names of rivers",
    }


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", '{"17": "x"}', '{"m/s/x": "x"}', '{"m/s/1": 2}', '{"m/s/-1": "x"}'),
        # Half a surrogate pair cannot be sent, and Python cannot read the next two.
        '{"m/s/1": "\\ud800"}',
        '{"m/s/1": ' + "[" * 100_000,
        '{"m/s/' + "9" * 5000 + '": "x"}',
        '{"m/s/1": "' + "x" * 501 + '"}',
        '{"m/s/1": " "}',
    ],
)
def test_overrides_of_another_form_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(SettingsError, match="AXON_LABEL_OVERRIDES"):
        Settings.from_environment({"AXON_LABEL_OVERRIDES": str(file)})


def test_a_missing_file_of_overrides_is_refused() -> None:
    with pytest.raises(SettingsError, match="No such file"):
        Settings.from_environment({"AXON_LABEL_OVERRIDES": "/nowhere/labels.json"})


def test_names_at_neuronpedia() -> None:
    settings = Settings.from_environment({"AXON_NEURONPEDIA_IDS": "mine/5-res=qwen/5-set, a=b"})
    assert settings.neuronpedia_ids == (("mine/5-res", "qwen/5-set"), ("a", "b"))
    with pytest.raises(SettingsError, match="SOURCE=ID"):
        Settings.from_environment({"AXON_NEURONPEDIA_IDS": "mine"})
