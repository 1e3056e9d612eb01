"""Reading features from weights that are small enough to check by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from axon_inference.engine.requests import Unreadable
from axon_inference.model.features import FeatureReader, Unembedding

HOOK = "blocks.1.hook_resid_post"


class Words:
    """A tokenizer with fewer tokens than the model's vocabulary has rows."""

    def __len__(self) -> int:
        return 3

    def decode(self, ids: list[int], **how: bool) -> str:
        return "abc"[ids[0]]


def source(hook: str) -> Any:
    rows = torch.tensor([[1.0, 0.0], [0.0, 0.0], [3.0, 4.0], [0.5, 0.1]])
    return SimpleNamespace(
        id="m/0-res",
        writes_to=hook,
        writes_residual=not hook.endswith("_in"),
        sae=SimpleNamespace(W_dec=rows),
    )


def reader_of(one: Any) -> FeatureReader:
    head = torch.nn.Linear(2, 5).requires_grad_(False)
    head.weight[:] = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [9.0, 0.0], [9.0, 0.0]])
    head.bias[:] = 100.0  # must not count as the effect of a feature
    return FeatureReader(Unembedding(head, torch.ones(2), False), [one], Words())


def test_rows_beyond_the_tokenizer_are_left_out() -> None:
    found = reader_of(source(HOOK)).read(0, 0, 10)
    assert [(e.text, e.logit) for e in found.promoted] == [("a", 1.0)]
    assert [(e.text, e.logit) for e in found.suppressed] == [("b", -2.0)]
    assert [near.index for near in found.neighbors] == [3, 2]


def test_a_feature_that_writes_nothing_has_no_effects() -> None:
    found = reader_of(source(HOOK)).read(0, 1, 10)
    assert (found.promoted, found.suppressed, found.neighbors) == ((), (), ())


def test_a_source_that_does_not_write_to_the_residual_stream_is_refused() -> None:
    with pytest.raises(Unreadable, match="hook_mlp_in"):
        reader_of(source("blocks.0.hook_mlp_in")).read(0, 0, 10)
    assert reader_of(source("blocks.0.hook_mlp_out")).read(0, 0, 10).promoted


def test_the_same_question_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reader_of(source(HOOK))
    first = reader.read(0, 0, 10)
    monkeypatch.setattr(Unembedding, "effects", lambda *given: pytest.fail("computed again"))
    assert reader.read(0, 0, 10) == first


def test_kin_in_the_other_sources() -> None:
    """The most similar row of each that writes to the stream, and whether that holds both ways."""
    one = source(HOOK)
    rows = torch.tensor([[0.0, 1.0], [2.0, 0.1], [6.0, 8.0]])
    two = SimpleNamespace(id="m/1-res", writes_residual=True, sae=SimpleNamespace(W_dec=rows))
    head = torch.nn.Linear(2, 5).requires_grad_(False)
    sources = [one, source("blocks.0.hook_mlp_in"), two]
    reader = FeatureReader(Unembedding(head, torch.ones(2), False), sources, Words())
    [same] = reader.read(0, 2, 10).kin
    assert (same.source, same.feature, same.mutual) == (2, 2, True)
    assert same.cosine == pytest.approx(1)
    [near] = reader.read(0, 3, 10).kin
    assert (near.feature, near.mutual) == (1, False)  # which is more like feature 0
    assert reader.read(0, 1, 10).kin == ()  # a row of zeros
    assert reader.read(2, 1, 10).kin[0].feature == 0
