"""Finding features by words of their labels."""

from __future__ import annotations

import string

import pytest
from axon_gateway.labels import search
from axon_gateway.labels.records import FeatureRecord
from axon_gateway.labels.table import LabelTable
from hypothesis import given, settings
from hypothesis import strategies as st

LABELS = {
    5: "capitals",
    17: "names of capitals",
    9: "Capital letters",
    30: "a city  that\nis due",
    31: "İstanbul and other cities",
    4821: "full stops",
}


def table(labels: dict[int, str]) -> LabelTable:
    return LabelTable({index: FeatureRecord(label) for index, label in labels.items()})


def found(text: str, labels: dict[int, str] | None = None) -> list[tuple[int, int]]:
    tables = [table(LABELS if labels is None else labels)]
    matches = search.best([("model/0-res", tables)], text, 100)
    return [(match.index, match.rank) for match in matches]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("capitals", [(5, 4), (17, 2)]),
        ("CAPITAL", [(5, 3), (9, 3), (17, 2)]),
        ("due city", [(30, 1)]),
        ("is  due", [(30, 2)]),
        ("apital", [(5, 1), (9, 1), (17, 1)]),
        ("other cities", [(31, 2)]),
        ("İSTANBUL", [(31, 3)]),
        ("istanbul", [(31, 3)]),
        ("stops", [(4821, 2)]),
        ("zebra", []),
        ("capitals zebra", []),
        ("capitals\nnames", [(17, 1)]),
    ],
)
def test_labels_with_every_word_are_found_best_first(
    text: str, wanted: list[tuple[int, int]]
) -> None:
    assert found(text) == wanted


def test_a_label_is_returned_as_it_is_written() -> None:
    matches = search.best([("model/0-res", [table(LABELS)])], "cit", 9)
    assert [match.label for match in matches] == ["a city that is due", "İstanbul and other cities"]


def test_a_label_that_has_a_word_twice_is_found_once() -> None:
    assert found("the", {1: "the word the", 2: "other", 3: "then"}) == [(3, 3), (1, 3), (2, 1)]


def test_without_labels_nothing_is_found() -> None:
    assert found("the", {}) == []
    assert len(table({})) == 0


def test_a_label_of_higher_precedence_hides_the_other() -> None:
    tables = [table({5: "cats"}), table({5: "dogs and cats", 6: "cats, too"})]
    matches = search.best([("model/0-res", tables)], "cats", 9)
    assert [(match.index, match.label) for match in matches] == [(5, "cats"), (6, "cats, too")]
    assert search.best([("model/0-res", tables)], "dogs", 9) == []


def test_a_search_for_a_word_in_all_labels_looks_at_few_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    actual = LabelTable.lower

    def lower(self: LabelTable, row: int) -> str:
        looked.append(row)
        return actual(self, row)

    monkeypatch.setattr(LabelTable, "lower", lower)
    labels = {index: f"other words {index}" for index in range(50_000)}
    tables = [("model/0-res", [table(labels)])]
    assert len(search.best(tables, "the", 100)) == 100
    assert len(looked) <= search._MOST_CANDIDATES
    # Of several words, the rarest is looked for first.
    assert [match.index for match in search.best(tables, "words 49999 other", 100)] == [49_999]


WORDS = st.text(string.ascii_letters + "äİßẞKΣ ", max_size=6)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**32 - 1), WORDS), WORDS.filter(str.strip))
def test_it_finds_the_same_as_a_simple_search(labels: dict[int, str], text: str) -> None:
    def plain(label: str) -> str:
        return " ".join(label.split()).replace("İ", "i").lower()

    wanted = plain(text).split()
    expected = {i for i, label in labels.items() if all(word in plain(label) for word in wanted)}
    assert {index for index, _ in found(text, labels)} == expected


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 2**32 - 1),
        st.builds(
            FeatureRecord,
            st.none() | WORDS.map(str.strip).filter(bool).map(lambda t: " ".join(t.split())),
            st.none() | st.sampled_from(["gpt", "counted"]),
            *[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 3,
        ),
    )
)
def test_a_table_returns_the_records_it_was_made_of(records: dict[int, FeatureRecord]) -> None:
    made = LabelTable(records)
    assert {index: made.record(index) for index in records} == records
    assert {i: made.label(i) for i in records} == {i: r.label for i, r in records.items()}
    assert {i: made.maximum(i) for i in records} == {
        i: r.max_activation for i, r in records.items()
    }
    assert made.record(next(i for i in range(len(records) + 1) if i not in records)) is None
