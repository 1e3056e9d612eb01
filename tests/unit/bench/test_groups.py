"""The benchmark's figures, the groups that measure them, and its check of parity."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import torch
from axon_inference.engine.step import SourceFeatures

from tests.bench import __main__ as program
from tests.bench.figures import ALL, Figure
from tests.bench.groups import GROUPS, Results, spread
from tests.bench.ours import FEATURES
from tests.bench.parity import features_agree
from tests.bench.report import document
from tests.bench.stats import Measured


def test_every_figure_is_measured_by_one_group() -> None:
    measured = Counter(key for keys, _ in GROUPS for key in keys)
    assert set(measured.values()) == {1}
    assert {figure.key for figure in ALL} == set(measured)


def test_targets() -> None:
    assert Figure("k", "", 6).met(6)
    assert Figure("k", "", 6).met(5.99) is False
    assert Figure("k", "", 1.1, at_most=True).met(1.1)
    assert Figure("k", "", 1.1, at_most=True).met(1.2) is False
    assert Figure("k", "").met(0) is None


@pytest.mark.parametrize(("mean", "count"), [(12, 24), (40, 24), (40, 12), (12, 12)])
def test_uneven_lengths_have_the_mean_of_the_equal_ones(mean: int, count: int) -> None:
    lengths = spread(mean, count, seed=1)
    assert len(lengths) == count
    assert sum(lengths) == pytest.approx(mean * count, rel=0.01)
    assert (min(lengths), max(lengths)) == (mean // 2, mean + mean // 2)
    assert lengths != sorted(lengths)


def test_a_document_has_every_key_that_was_wanted() -> None:
    results = Results()
    results.figures["tap_on_vs_off"] = Measured(0.912345, 0.9, 0.93, 5)
    results.figures["eight_vs_naive"] = Measured(33, 33, 33, 5)
    results.missing["tokens_per_s_1"] = "no GPU"
    results.rates["tap_on tokens/s"] = Measured(123.456, 120, 130, 5)
    wanted = {"tap_on_vs_off", "tokens_per_s_1", "fanout_lost"}
    found = document(results, wanted, {"quick": False})
    assert found["tap_on_vs_off"] == 0.9123
    assert found["spread"] == {"tap_on_vs_off": {"low": 0.9, "high": 0.93, "rounds": 5}}
    assert found["tokens_per_s_1"] is None
    assert found["missing"] == {"tokens_per_s_1": "no GPU", "fanout_lost": "not measured"}
    assert found["rates"] == {"tap_on tokens/s": 123.5}
    assert "eight_vs_naive" not in found
    assert found["quick"] is False


def test_an_unknown_key_is_refused_with_a_list_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--only", "tap_on_vs_off,speed"])
    error = capsys.readouterr().err
    assert "unknown: speed" in error
    assert "grpc_vs_engine" in error


def test_a_quick_run_is_shorter_in_everything() -> None:
    whole = dataclasses.asdict(program.Plan())
    assert whole["rounds"] >= 5
    for name, value in dataclasses.asdict(program.QUICK).items():
        assert 1 <= value < whole[name], name


WANTED = torch.linspace(20, 6, FEATURES)


def found(activations: torch.Tensor, ids: list[int] | None = None) -> SourceFeatures:
    numbers = ids or list(range(len(activations)))
    return SourceFeatures(0, numbers, activations.tolist(), FEATURES, 0.1)


def test_features_agree_up_to_rounding() -> None:
    ids = torch.arange(FEATURES)
    assert features_agree(found(WANTED), ids, WANTED)
    assert features_agree(found(WANTED + 0.01), ids, WANTED)
    assert not features_agree(found(WANTED + 0.1), ids, WANTED)
    swapped = [1, 0, *range(2, FEATURES)]
    assert not features_agree(found(WANTED, swapped), ids, WANTED)


def test_either_of_two_nearly_equal_last_features_is_accepted() -> None:
    ids = torch.arange(FEATURES)
    assert features_agree(found(WANTED, [*range(FEATURES - 1), 99]), ids, WANTED)
    assert not features_agree(found(WANTED, [99, *range(1, FEATURES)]), ids, WANTED)


def test_fewer_active_features_than_asked_for() -> None:
    wanted = torch.cat([WANTED[:4], torch.zeros(FEATURES - 4)])
    assert features_agree(found(WANTED[:4]), torch.arange(FEATURES), wanted)
    assert not features_agree(found(WANTED[:3]), torch.arange(FEATURES), wanted)
