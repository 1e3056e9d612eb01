"""Where the features of an SAE start, on facts small enough to check by hand."""

from __future__ import annotations

import numpy as np
import torch
from demo_model.directions import starting_directions
from demo_model.facts import Facts, Kind

N, D = 200, 4


def facts_of(holds: dict[tuple[str, Kind], range]) -> Facts:
    """Facts over N positions: each statement holds in its range."""
    rows = [[i for i, where in enumerate(holds.values()) if p in where] for p in range(N)]
    offsets = np.cumsum([0, *map(len, rows)])
    return Facts(list(holds), offsets, np.array([i for row in rows for i in row], dtype=np.int64))


def residuals() -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(3))


def test_each_starts_at_the_mean_of_what_those_before_it_leave() -> None:
    x = residuals()
    x[:10] += 9
    word, context = range(10), range(5, 20)
    facts = facts_of({("after", Kind.CONTEXT): context, ("rain", Kind.WORD): word})
    left = x - x.mean(dim=0)
    of_the_word = left[0:10].mean(dim=0)
    left[0:10] -= of_the_word
    of_the_context = left[5:20].mean(dim=0)
    found = starting_directions(x, facts, 20)
    torch.testing.assert_close(found[0], of_the_word)
    torch.testing.assert_close(found[1], of_the_context)


def test_statements_that_hold_together_share_the_effect() -> None:
    x = residuals()
    facts = facts_of(
        {
            ("one", Kind.WORD): range(10),
            ("other", Kind.WORD): range(10),
            ("after", Kind.CONTEXT): range(10),
        }
    )
    mean = (x - x.mean(dim=0))[:10].mean(dim=0)
    found = starting_directions(x, facts, 20)
    torch.testing.assert_close(found[:2], torch.stack([mean, mean]))
    # Together the words explain all of it, and not twice: nothing is left of the mean.
    torch.testing.assert_close(found[2], torch.zeros(D), atol=1e-6, rtol=0)


def test_the_most_telling_go_first_where_there_is_no_room_for_all() -> None:
    x = residuals()
    x[50:60] += 5
    facts = facts_of({("dull", Kind.WORD): range(10), ("telling", Kind.WORD): range(50, 60)})
    [found] = starting_directions(x, facts, 1)
    torch.testing.assert_close(found, (x - x.mean(dim=0))[50:60].mean(dim=0))


def test_what_is_rare_or_everywhere_starts_nothing() -> None:
    x = residuals()
    facts = facts_of({("rare", Kind.WORD): range(4), ("usual", Kind.WORD): range(21)})
    found = starting_directions(x, facts, 6)
    assert found.shape == (6, D)
    # Noise instead, a tenth of the residuals' size.
    assert 0 < found.abs().max() < 0.5
