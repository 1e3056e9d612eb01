"""A country's own feature is among the causes of its capital: the shares of the model's card."""

from __future__ import annotations

import pytest
from axon_inference.config import BUNDLED_MODEL

from . import causes

# By layer: the least share of prompts where it is among its layer's ten largest, for which the bar
# is .9 at layers 1 and 2, and among all's, for which there is none.
OWN = {0: 0.99, 1: 0.99, 2: 0.99}
EVERY = {0: 0.95, 1: 0.85, 2: 0.84}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_countrys_feature_is_among_the_ten_largest() -> None:
    found = causes.measure()
    for layer, share in OWN.items():
        assert found.layers[layer].own >= share, causes.table(found)
        assert found.layers[layer].every >= EVERY[layer], causes.table(found)


def test_the_card_has_the_table() -> None:
    card = (BUNDLED_MODEL / "README.md").read_text(encoding="utf-8")
    head, _, *rows = card.split("<!-- causes -->\n")[1].split("<!-- /causes -->")[0].split("\n")
    assert head.startswith("| layer | among its layer's ten largest")
    for layer, share in OWN.items():
        own, every = (float(cell.strip().rstrip("%")) / 100 for cell in rows[layer].split("|")[2:4])
        assert own >= share
        assert every >= EVERY[layer]


def test_the_countrys_feature_is_a_cause_of_a_few_capitals() -> None:
    """Silenced, the features of France and Japan at layers 1 and 2 change their capitals most."""
    capitals = causes.Capitals()
    explaining = causes.Explaining(capitals.bench)
    encode = capitals.bench.loaded.served.encode
    found: dict[tuple[str, int], set[tuple[int, int]]] = {}
    for country in ("France", "Japan"):
        for text in causes.MEASURED:
            ids = capitals.bench.prompt_ids(text.replace("|", "").format(country))
            target = encode(" " + capitals.capitals[country])[0]
            for layer in (1, 2):
                ten = set(causes.everywhere(explaining.explain(ids, target, [layer]))[: causes.TEN])
                found[country, layer] = found.get((country, layer), ten) & ten
    for layer in (1, 2):
        # One that both phrasings share, and the other country has not.
        assert found["France", layer] - found["Japan", layer]
        assert found["Japan", layer] - found["France", layer]
