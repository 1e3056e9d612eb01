"""Where an edit applies, and when the edits of a step are laid out anew."""

from __future__ import annotations

import pytest
import torch
from axon_inference.engine.requests import Change, Edit, Features, Origin, Sampling
from axon_inference.engine.step import Feed
from axon_inference.step.edits import Edits

ADD = {"source": 0, "feature": 1, "change": Change.ADD, "value": 2.0}
END = 10


@pytest.mark.parametrize(
    ("limits", "positions"),
    [
        ({}, range(1, END)),
        ({"include_bos": True}, range(END)),
        ({"origin": Origin.PROMPT}, range(1, 4)),
        ({"origin": Origin.GENERATED}, range(4, END)),
        ({"first": 0, "last": 2}, range(1, 3)),
        ({"first": 3, "last": 6, "origin": Origin.GENERATED}, range(4, 7)),
        ({"first": 5, "origin": Origin.PROMPT}, range(0)),
        ({"last": 0}, range(0)),
        ({"last": 0, "include_bos": True}, range(1)),
    ],
)
def test_positions(limits: dict[str, object], positions: range) -> None:
    found = Edit(**ADD, **limits).positions(prompt_length=4, has_bos=True)  # type: ignore[arg-type]
    assert [n for n in range(END) if n in found] == list(positions)


def test_a_prompt_without_bos_is_edited_from_its_first_token() -> None:
    assert Edit(**ADD).positions(prompt_length=4, has_bos=False)[0] == 0  # type: ignore[arg-type]


def feed(position: int, *edits: Edit) -> Feed:
    return Feed(0, [1], position, Sampling(), Features(), 0, edits, prompt_length=4)


def test_decoding_lays_edits_out_once() -> None:
    edits, add = Edits(torch.device("cpu")), Edit(**ADD, first=3, last=8)  # type: ignore[arg-type]
    assert edits.of([feed(2, add)]) == {}
    laid = edits.of([feed(3, add)])
    assert list(laid) == [0]
    assert all(edits.of([feed(position, add)]) is laid for position in range(4, 9))
    assert edits.of([feed(9, add)]) == {}
    more = edits.of([feed(5, add, Edit(2, 7, Change.SWAP, swap_with=9))])
    assert sorted(more) == [0, 2]
