"""Edits: as words, as JSON, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import axon
import pytest
from axon import edits, messages, requests
from axon.edits import Edit, EditError
from axon.v1 import inference_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

#: Without -0.0, which means the same as 0.
STRENGTHS = st.floats(-(2**60), 2**60, width=32).map(lambda strength: strength + 0.0)
COUNTS = st.integers(0, 2**32 - 1)
CHANGES = st.one_of(
    *(st.builds(lambda v, n=name: {n: v}, STRENGTHS) for name in ("set", "scale", "add")),
    COUNTS.map(lambda feature: {"swap_with": feature}),
)
SPANS = st.tuples(st.none() | COUNTS, st.none() | COUNTS).filter(
    lambda span: None in span or span[0] <= span[1]  # type: ignore[operator]
)


@st.composite
def every_edit(draw: st.DrawFn) -> Edit:
    first, last = draw(SPANS)
    return Edit(
        "axon-demo/2-res",
        draw(COUNTS),
        **draw(CHANGES),
        where=draw(st.sampled_from([None, "while_firing", "everywhere"])),
        origin=draw(st.sampled_from([None, "prompt", "generated"])),
        first_position=first,
        last_position=last,
        include_bos=draw(st.booleans()),
    )


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("a/b/857 swap 804", Edit("a/b", 857, swap_with=804)),
        ("a/b/857 set 3.5", Edit("a/b", 857, set=3.5)),
        ("a/b/857 scale 0", Edit("a/b", 857, scale=0.0)),
        ("a/b/857 silence", Edit("a/b", 857, scale=0.0)),
        ("a/b/857 add -2", Edit("a/b", 857, add=-2.0)),
        ("a/b/857 everywhere set 1", Edit("a/b", 857, set=1.0, where="everywhere")),
        ("a/b/857 add 2 while firing", Edit("a/b", 857, add=2.0, where="while_firing")),
        (
            "a/b/857 silence generated from 3 to 9 bos",
            Edit(
                "a/b",
                857,
                scale=0.0,
                origin="generated",
                first_position=3,
                last_position=9,
                include_bos=True,
            ),
        ),
        ("a/b/857 silence prompt", Edit("a/b", 857, scale=0.0, origin="prompt")),
    ],
)
def test_words_are_read(text: str, edit: Edit) -> None:
    assert edits.parse(text) == edit


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with a feature"),
        ("857 silence", "'857' is none"),
        ("a/b/x silence", "'a/b/x' is none"),
        ("a/b/857", "no change: add one of set V"),
        ("a/b/857 swp 804", "'swp' is not known; there are set V"),
        ("a/b/857 swap", "'swap' needs a whole number after it, not ''"),
        ("a/b/857 swap -1", "'swap' needs a whole number after it, not '-1'"),
        ("a/b/857 set much", "'set' needs a finite number after it, not 'much'"),
        ("a/b/857 set inf", "'set' needs a finite number after it, not 'inf'"),
        ("a/b/857 set 1e39", "set must be a finite 32-bit number"),
        ("a/b/857 set 1 silence", "has set and scale; it needs one of"),
        ("a/b/857 set 1 set 2", "'set' says again"),
        ("a/b/857 silence prompt generated", "'generated' says again, or otherwise"),
        ("a/b/857 silence while", "'while' is not known"),
        ("a/b/857 silence from 5 to 4", "last_position must not be before first_position"),
        ("a/b/4294967296 silence", "feature must be 0 to 4294967295"),
    ],
)
def test_wrong_words_are_named(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        edits.parse(text)


@given(every_edit())
def test_an_edit_survives_words_json_and_messages(edit: Edit) -> None:
    assert edits.read(edits.written(edit)) == edit
    [message] = requests.generate_request("x", {"edits": edit}).branches[0].edits
    sent = pb.FeatureEdit.FromString(message.SerializeToString())
    assert requests._edit(messages.edit(sent), "edit") == message
    again = edits.parse(edits.described(edit))
    # What goes without saying is left out.
    usual = "everywhere" if edit.add is not None else "while_firing"
    assert (again.where or usual) == (edit.where or usual)
    assert (again.first_position or 0) == (edit.first_position or 0)
    same = {"where": edit.where, "first_position": edit.first_position}
    again = dataclasses.replace(again, **same)  # type: ignore[arg-type]
    assert requests._edit(again, "edit") == message


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ("a/b/1", "", "WRONG_TYPE"),
        ({}, "source", "WRONG_TYPE"),
        ({"source": "", "feature": 1, "set": 1}, "source", "WRONG_TYPE"),
        ({"source": "a/b", "set": 1}, "feature", "WRONG_TYPE"),
        ({"source": "a/b", "feature": True, "set": 1}, "feature", "WRONG_TYPE"),
        ({"source": "a/b", "feature": -1, "set": 1}, "feature", "OUT_OF_RANGE"),
        ({"source": "a/b", "feature": 1}, "", "OUT_OF_RANGE"),
        ({"source": "a/b", "feature": 1, "set": 1, "add": 2}, "", "OUT_OF_RANGE"),
        ({"source": "a/b", "feature": 1, "set": float("nan")}, "set", "OUT_OF_RANGE"),
        ({"source": "a/b", "feature": 1, "scale": "0"}, "scale", "WRONG_TYPE"),
        ({"source": "a/b", "feature": 1, "set": 1, "where": "here"}, "where", "WRONG_TYPE"),
        ({"source": "a/b", "feature": 1, "set": 1, "where": []}, "where", "WRONG_TYPE"),
        ({"source": "a/b", "feature": 1, "set": 1, "origin": "any"}, "origin", "WRONG_TYPE"),
        ({"source": "a/b", "feature": 1, "set": 1, "include_bos": 1}, "include_bos", "WRONG_TYPE"),
        ({"source": "a/b", "feature": 1, "st": 1}, "st", "UNKNOWN_FIELD"),
    ],
)
def test_wrong_json_is_named(values: object, field: str, reason: str) -> None:
    with pytest.raises(EditError) as wrong:
        edits.read(values)
    assert (wrong.value.field, wrong.value.reason) == (field, reason)


SILENCE = Edit("a/b", 1, scale=0.0)


@pytest.mark.parametrize(
    ("knobs", "field", "says"),
    [
        ({"edits": [SILENCE, Edit("a/b", 1)]}, "edits[1]", "needs one of set, scale"),
        ({"edits": Edit("a/b", -1, set=1)}, "edits[0].feature", "must be 0 to"),
        ({"edits": ["a/b/1 silence"]}, "edits[0]", "must be an Edit, not 'a/b/1"),
        ({"branches": ["twin"]}, "branches[0]", "must be a Branch"),
        (
            {"branches": [axon.Branch(edits=(Edit("a/b", 1, add=float("inf")),))]},
            "branches[0].edits[0].add",
            "finite",
        ),
        ({"branches": [axon.Branch(seed=-1)]}, "branches[0].seed", "does not fit"),
        ({"branches": [axon.Branch()], "edits": [SILENCE]}, "edits", "give one of both"),
        ({"pace": "fast"}, "pace", "does not fit"),
        ({"alternatives": -1}, "alternatives", "does not fit"),
    ],
)
def test_what_cannot_be_sent_is_named(knobs: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(axon.AxonError, match=says) as failed:
        requests.generate_request("x", knobs)
    assert [violation.field for violation in failed.value.violations] == [field]
