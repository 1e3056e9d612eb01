"""Ports that tests get for their servers."""

import itertools

import pytest

from tests import ports


def test_no_port_is_one_that_chromium_opens_no_page_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_FIRST", 10_000)
    monkeypatch.setattr(ports, "_NUMBERS", itertools.count(80))
    port = ports.free_port()
    ports.give_back(port)
    assert port > 10_080
