"""The bundled model's features steer it: the shares of its card, with some room for rounding."""

from __future__ import annotations

import pytest
from axon_inference.config import BUNDLED_MODEL

from . import capitals

# By layer: least that swaps reach, most answers that stay when the feature is silenced.
SWAPPED = {0: 0.85, 1: 0.78, 2: 0.88}
SILENCED = {0: 0.15, 1: 0.28, 2: 0.19}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_swaps_and_silencing_reach_what_the_card_says() -> None:
    right, rates = capitals.Capitals().measure()
    found = capitals.table(right, rates)
    assert right >= 0.98, found
    for one in rates:
        assert one.swapped >= SWAPPED.get(one.layer, 0), found
        assert one.silenced <= SILENCED.get(one.layer, 1), found
        # An addition everywhere does not answer: so a swap applies where the feature fires.
        assert one.added <= 0.1, found


def test_the_card_has_the_table() -> None:
    card = (BUNDLED_MODEL / "README.md").read_text(encoding="utf-8")
    [head, _, unedited, *rows] = (
        card.split("<!-- edits -->\n")[1].split("<!-- /edits -->")[0].split("\n")[:-1]
    )
    assert head.startswith("| layer | swapped")
    assert unedited.startswith("| no edit |")
    for layer, floor in SWAPPED.items():
        assert float(rows[layer].split("|")[2].strip().rstrip("%")) / 100 >= floor
