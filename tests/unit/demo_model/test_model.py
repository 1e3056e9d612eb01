"""Training the language model: it can be stopped, and its sums are GPT-2's own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from demo_model import model
from demo_model.config import QUICK, Course, Recipe
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

N_STEPS, STOP_AT = 6, 4
RECIPE = replace(QUICK, threads=1, context=16, batch=2)
COURSE = QUICK.courses[0]
State = dict[str, torch.Tensor]


@pytest.fixture
def rows(words: PreTrainedTokenizerFast) -> torch.Tensor:
    shape = (N_STEPS * RECIPE.batch, RECIPE.context)
    return torch.randint(len(words), shape, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def new(words: PreTrainedTokenizerFast) -> Callable[[], GPT2LMHeadModel]:
    def create() -> GPT2LMHeadModel:
        torch.manual_seed(RECIPE.seed)
        return model.create(RECIPE, words)

    return create


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What training says; its state is kept after every other step."""
    monkeypatch.setattr(model, "_SAVE_EVERY", 2)
    return []


def trained(
    lm: GPT2LMHeadModel,
    rows: torch.Tensor,
    state: Path,
    lines: list[str],
    recipe: Recipe = RECIPE,
    course: Course = COURSE,
) -> State:
    model.train(lm, rows, recipe, course, state, lines.append)
    return {name: weight.clone() for name, weight in lm.state_dict().items()}


def same(one: State, other: State) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def stop(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Training is interrupted before this step."""
    usual = model.rate_factor

    def rate_factor(step: int, n_steps: int) -> float:
        if step == at:
            raise KeyboardInterrupt
        return usual(step, n_steps)

    monkeypatch.setattr(model, "rate_factor", rate_factor)


def test_goes_on_after_a_stop_to_the_same_bits(
    new: Callable[[], GPT2LMHeadModel], rows: torch.Tensor, lines: list[str], tmp_path: Path
) -> None:
    whole = trained(new(), rows, tmp_path / "whole.pt", lines)
    with pytest.MonkeyPatch.context() as patch:
        stop(patch, STOP_AT + 1)  # what was done after the last save is done again
        with pytest.raises(KeyboardInterrupt):
            trained(new(), rows, tmp_path / "parts.pt", lines)
    assert not same(whole, new().state_dict())
    assert same(whole, trained(new(), rows, tmp_path / "parts.pt", lines))
    assert f"  going on after step {STOP_AT}" in lines
    assert same(whole, trained(new(), rows, tmp_path / "parts.pt", lines))  # all is done
    assert lines[-1] == f"  going on after step {N_STEPS}"


@pytest.mark.parametrize("other", ["recipe", "course", "rows", "broken"])
def test_what_does_not_belong_to_it_is_not_used(
    other: str, new: Callable[[], GPT2LMHeadModel], rows: torch.Tensor, lines: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    recipe = replace(RECIPE, weight_decay=0.5) if other == "recipe" else RECIPE
    course = replace(COURSE, matrix_rate=0.5) if other == "course" else COURSE
    state = tmp_path / "course.pt"
    trained(new(), rows.flip(0) if other == "rows" else rows, state, lines, recipe, course)
    if other == "broken":
        state.write_bytes(b"cut")
    found = trained(new(), rows, state, lines)
    why = "cannot be read" if other == "broken" else "is of another recipe or other text"
    assert [line for line in lines if why in line and "starts afresh" in line]
    assert same(found, trained(new(), rows, tmp_path / "fresh.pt", lines))


def test_only_a_course_with_decay_shrinks_the_tokens(
    new: Callable[[], GPT2LMHeadModel], rows: torch.Tensor, lines: list[str], tmp_path: Path
) -> None:
    """The tokens that the text lacks get no gradient: what moves them is the decay alone."""
    rows = rows.clamp(max=9)
    before = new().transformer.wte.weight[10:].detach()
    for decay, shrinks in ((0.0, False), (0.5, True)):
        course = replace(COURSE, token_decay=decay)
        found = trained(new(), rows, tmp_path / f"{decay}.pt", lines, course=course)
        after = found["transformer.wte.weight"][10:]
        assert bool((after.abs() < before.abs()).all()) == shrinks
        assert torch.equal(after, before) != shrinks


def test_sums_are_those_of_transformers(
    new: Callable[[], GPT2LMHeadModel], rows: torch.Tensor
) -> None:
    lm = new().eval()
    with torch.no_grad():
        theirs = lm(input_ids=rows, labels=rows)
        torch.testing.assert_close(lm.lm_head(model.final_residual(lm, rows)), theirs.logits)
        torch.testing.assert_close(model.next_token_loss(lm, rows), theirs.loss)


def test_learning_rates_rise_and_fall() -> None:
    factors = [model.rate_factor(step, 1000) for step in range(1000)]
    assert factors[0] == 1 / 20
    assert factors[:20] == sorted(factors[:20])
    assert 0.97 < max(factors) <= 1
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert factors[-1] == pytest.approx(0.001)
