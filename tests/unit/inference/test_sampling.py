from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from axon_inference.step.sampling import Knobs, draw, sample, signed, truncate, uniform

LOGITS = torch.tensor([3.0, 1.0, 2.0, -1.0, 0.5])


def knobs(n: int, **values: Any) -> Knobs:
    """The same knobs for n rows; row i has already drawn i tokens."""
    temperature = float(values.get("temperature", 1.0))
    top_k, top_p = int(values.get("top_k", 0)), float(values.get("top_p", 1.0))
    penalty = float(values.get("repetition_penalty", 1.0))
    return Knobs(
        temperature=torch.full((n,), temperature),
        top_k=torch.full((n,), top_k),
        top_p=torch.full((n,), top_p),
        repetition_penalty=torch.full((n,), penalty),
        seed=torch.full((n,), signed(values.get("seed", 7))),
        draw=torch.arange(n),
        any_sampled=temperature > 0,
        any_penalty=penalty != 1,
        any_top_p=top_p < 1,
        largest_top_k=top_k,
    )


def frequencies(logits: torch.Tensor, n: int = 20_000, **values: Any) -> torch.Tensor:
    rows = logits.expand(n, -1)
    chosen, _ = sample(rows, torch.zeros_like(rows, dtype=torch.bool), knobs(n, **values))
    return torch.bincount(chosen, minlength=logits.shape[-1]) / n


def test_temperature_0_is_greedy_and_the_logprob_is_the_models_own() -> None:
    seen = torch.zeros(1, 5, dtype=torch.bool)
    chosen, logprobs = sample(LOGITS[None], seen, knobs(1, temperature=0))
    assert chosen.tolist() == [0]
    torch.testing.assert_close(logprobs, LOGITS.log_softmax(-1)[:1])


def test_draws_follow_the_distribution() -> None:
    torch.testing.assert_close(frequencies(LOGITS), LOGITS.softmax(-1), atol=0.01, rtol=0)
    want = (LOGITS / 2).softmax(-1)
    torch.testing.assert_close(frequencies(LOGITS, temperature=2), want, atol=0.012, rtol=0)


def test_draw_inverts_the_distribution_function() -> None:
    """Compared with a simple running sum, over several blocks, with zeros among them."""
    scores = torch.randn(400, 3000, generator=torch.Generator().manual_seed(2)) * 3
    scores[:, 100:700] = -torch.inf
    scores[:200, 1000:] = -torch.inf
    u = torch.rand(400, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    u[::50], u[1::50] = 0, 1 - 2.0**-52
    found = draw(scores, u)
    cumulative = scores.softmax(-1).cumsum(-1, dtype=torch.float64)
    at = found[:, None]
    assert (scores.gather(-1, at) > -torch.inf).all()
    total = cumulative[:, -1:]
    above = cumulative.gather(-1, at) / total
    below = above - scores.softmax(-1).double().gather(-1, at) / total
    # A block's sum in single precision has an error of about 1e-7.
    assert (above.squeeze() > u - 1e-6).all()
    assert (below.squeeze() < u + 1e-6).all()


def test_top_k_keeps_the_likeliest() -> None:
    want = torch.tensor([3.0, -torch.inf, 2.0, -torch.inf, -torch.inf]).softmax(-1)
    torch.testing.assert_close(frequencies(LOGITS, top_k=2), want, atol=0.012, rtol=0)


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    # softmax: .624, .084, .230, .011, .051; .85 needs the first two by rank.
    want = torch.tensor([3.0, -torch.inf, 2.0, -torch.inf, -torch.inf]).softmax(-1)
    torch.testing.assert_close(frequencies(LOGITS, top_p=0.85), want, atol=0.012, rtol=0)
    assert frequencies(LOGITS, top_p=0.01).tolist() == [1, 0, 0, 0, 0]


def test_top_p_counts_within_top_k() -> None:
    # Among the top 3 (.665, .090, .245) the first two reach .9; among all they would not.
    found = frequencies(LOGITS, top_k=3, top_p=0.9)
    assert found[1] == 0
    assert found[2] > 0.2


@pytest.mark.parametrize("spread", [0.1, 3.0])
def test_top_p_in_a_large_vocabulary(spread: float) -> None:
    """The nucleus has thousands of tokens in flat rows, few in steep ones. Knobs differ by row."""
    n, vocabulary = 12, 5000
    scores = torch.randn(n, vocabulary, generator=torch.Generator().manual_seed(4)) * spread
    some = knobs(n, top_p=0.5)
    top_p = torch.tensor([0.1, 0.5, 0.9, 1.0] * 3)
    top_k = torch.tensor([0] * 4 + [40] * 4 + [900] * 4)
    found = truncate(scores, replace(some, top_p=top_p, top_k=top_k, largest_top_k=900))
    for row in range(n):
        ordered = scores[row].sort(descending=True).values
        kept = ordered[: int(top_k[row]) or vocabulary].double().softmax(-1)
        before = kept.cumsum(-1) - kept
        want = int((before < top_p[row]).sum()) if top_p[row] < 1 else len(kept)
        assert abs(int((found[row] > -torch.inf).sum()) - want) <= 1


def test_ties_with_the_last_token_kept_are_kept_too() -> None:
    found = frequencies(torch.tensor([1.0, 1.0, 1.0, -9.0]), top_k=2)
    assert (found[:3] > 0.3).all()
    assert found[3] == 0


def test_repetition_penalty_divides_positive_and_multiplies_negative() -> None:
    seen = torch.tensor([[True, False, False, True, False]])
    greedy = knobs(1, temperature=0, repetition_penalty=2)
    assert sample(LOGITS[None], seen, greedy)[0].tolist() == [2]
    found = sample(torch.tensor([[-1.0, -1.5]]), torch.tensor([[True, False]]), greedy)[0]
    assert found.tolist() == [1]


def test_rows_keep_their_own_knobs() -> None:
    n = 6
    rows = torch.randn(n, 50, generator=torch.Generator().manual_seed(0))
    seen = torch.rand(n, 50, generator=torch.Generator().manual_seed(1)) < 0.5
    mixed = Knobs(
        temperature=torch.tensor([0, 1, 1.5, 1, 0.7, 1]),
        top_k=torch.tensor([0, 3, 0, 0, 10, 0]),
        top_p=torch.tensor([1, 1, 0.5, 1, 0.9, 1]),
        repetition_penalty=torch.tensor([1, 1, 1, 1.7, 1.2, 1]),
        seed=torch.arange(n) * 1000,
        draw=torch.arange(n),
        any_sampled=True,
        any_penalty=True,
        any_top_p=True,
        largest_top_k=10,
    )
    together, logprobs = sample(rows, seen, mixed)
    for i in range(n):
        one = knobs(
            1,
            temperature=mixed.temperature[i],
            top_k=mixed.top_k[i],
            top_p=mixed.top_p[i],
            repetition_penalty=mixed.repetition_penalty[i],
            seed=int(mixed.seed[i]),
        )
        one.draw.fill_(i)
        alone, logprob = sample(rows[i : i + 1], seen[i : i + 1], one)
        assert alone == together[i]
        torch.testing.assert_close(logprob[0], logprobs[i])


def test_uniform_is_uniform_and_differs_by_seed_and_draw() -> None:
    draws = torch.arange(50_000)
    u = uniform(torch.full_like(draws, signed(2**64 - 1)), draws)
    assert ((u >= 0) & (u < 1)).all()
    histogram = torch.histc(u, bins=20, min=0, max=1) / len(u)
    torch.testing.assert_close(histogram, torch.full((20,), 0.05).double(), atol=0.005, rtol=0)
    correlation = torch.corrcoef(torch.stack([u[:-1], u[1:]]))[0, 1]
    assert abs(correlation) < 0.02
    other = uniform(torch.full_like(draws, 8), draws)
    assert (u != other).float().mean() > 0.99


def test_uniform_is_splitmix64() -> None:
    """The first outputs of the published generator (splitmix64) from state 0, to 52 bits."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    found = uniform(torch.zeros(3, dtype=torch.int64), torch.arange(3))
    assert found.tolist() == [(value >> 12) / 2**52 for value in published]


@pytest.mark.parametrize("temperature", [1e-45, 1e-38, 1e-30, 1e-3])
@pytest.mark.parametrize("truncation", [{}, {"top_k": 3}, {"top_p": 0.9}])
@pytest.mark.parametrize("size", [5, 300, 5000])
def test_the_smallest_temperatures_draw_the_likeliest(
    temperature: float, truncation: dict[str, float], size: int
) -> None:
    """A plain division by them would make scores infinite and probabilities NaN."""
    rows = torch.randn(7, size, generator=torch.Generator().manual_seed(5)) * 100
    seen = torch.rand(7, size, generator=torch.Generator().manual_seed(6)) < 0.5
    for penalty in (0.1, 1.0, 10.0):
        some = knobs(7, temperature=temperature, repetition_penalty=penalty, **truncation)
        greedy = knobs(7, temperature=0, repetition_penalty=penalty)
        chosen, logprobs = sample(rows, seen, some)
        assert chosen.tolist() == sample(rows, seen, greedy)[0].tolist()
        assert logprobs.isfinite().all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {}, {"top_k": 3}, {"top_p": 0.5}, {"repetition_penalty": 2}]
)
def test_a_row_that_is_not_finite_is_reported_and_does_not_affect_others(
    bad: float, everywhere: bool, options: dict[str, float]
) -> None:
    for size in (5, 256, 700):
        rows = torch.randn(3, size, generator=torch.Generator().manual_seed(7))
        seen = torch.zeros(3, size, dtype=torch.bool)
        alone, own = sample(rows, seen, knobs(3, **options))
        rows[1, slice(None) if everywhere else size // 2] = bad
        chosen, logprobs = sample(rows, seen, knobs(3, **options))
        assert ((chosen >= 0) & (chosen < size)).all()
        assert logprobs[1].isnan()
        assert chosen[[0, 2]].tolist() == alone[[0, 2]].tolist()
        torch.testing.assert_close(logprobs[[0, 2]], own[[0, 2]])


def test_a_penalty_that_overflows_is_reported() -> None:
    rows = torch.tensor([[3e38, 1.0, -3e38]])
    seen = torch.ones(1, 3, dtype=torch.bool)
    assert sample(rows, seen, knobs(1, repetition_penalty=0.1))[1].isnan().all()
