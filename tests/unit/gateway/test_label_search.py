"""Features found by the words of their label."""

from __future__ import annotations

import pytest
from axon_gateway.labels.search import LabelIndex

LABELS = {
    5: "capitals",
    17: "names of capitals",
    9: "Capital letters",
    30: "a city  that\nis due",
    31: "İstanbul and other cities",
    4821: "full stops",
}


def found(text: str, labels: dict[int, str] | None = None) -> list[tuple[int, int]]:
    index = LabelIndex("model/0-res", LABELS if labels is None else labels)
    return [(match.index, match.rank) for match in index.find(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("capitals", [(5, 4), (17, 2)]),
        ("CAPITAL", [(5, 3), (9, 3), (17, 2)]),
        ("due city", [(30, 1)]),
        ("is due", [(30, 2)]),
        ("apital", [(5, 1), (9, 1), (17, 1)]),
        ("other cities", [(31, 2)]),
        ("stops", [(4821, 2)]),
        ("zebra", []),
        ("capitals zebra", []),
    ],
)
def test_labels_with_every_word_are_found_and_ranked(
    text: str, wanted: list[tuple[int, int]]
) -> None:
    assert found(text) == wanted


def test_a_label_is_given_as_it_is_written() -> None:
    matches = LabelIndex("model/0-res", LABELS).find("cit")
    assert [match.label for match in matches] == ["a city that is due", "İstanbul and other cities"]


def test_a_word_twice_in_a_label_is_one_find() -> None:
    assert found("the", {1: "the word the", 2: "other", 3: "then"}) == [(1, 3), (2, 1), (3, 3)]


def test_nothing_is_found_where_there_are_no_labels() -> None:
    assert found("the", {}) == []
    assert len(LabelIndex("model/0-res", {})) == 0


def test_a_word_that_all_labels_have_is_not_looked_at_in_all_of_them() -> None:
    assert len(found("the", {i: f"the word {i}" for i in range(5000)})) == 2000
