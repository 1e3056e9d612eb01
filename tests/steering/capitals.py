"""Capitals swapped by the runner's own edits: does the bundled model name the other country's?

In a prompt about a country A ("Everyone knows that the capital of France is") the feature of A is
edited, at one layer: another country's takes its place (`swap_with`), or it is silenced (`scale`
0); both wherever it fires, as edits do unless told otherwise. Or B's is added everywhere (`add`),
as strongly as A's fires on average. What counts is the greedy continuation: all tokens of B's
capital after a swap or an addition, all of A's after a silencing.

No training text has the phrasings that are measured. A country's feature is chosen on other ones,
which training text has, by mean activation alone: that which is highest above its mean for the
other countries, at the country or at the prompt's last token. Of these two places each layer takes
the one whose swaps succeed more often on the choosing prompts.

`python -m tests.steering.capitals` measures again and writes the table into the model's card.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from axon_inference.config import BUNDLED_MODEL
from axon_inference.engine.requests import Change, Edit
from demo_model.world import lexicon

from ..parity.driver import Driven, dense, drive
from ..parity.harness import Bench

PAIRS = 120
SLOTS = 30
TRIALS = 100
# A bar stands behind the country whose token is read.
CHOOSING = (
    "The capital of {}| is",
    "What is the capital of {}? The capital of {}| is",
    "The capital of {}| is called",
    "What is the capital of {}|? It is",
)
MEASURED = (
    "Everyone knows that the capital of {}| is",
    "The name of the capital of {}| is",
)


# By country, a feature, and how strongly it fires on average.
Features = dict[str, tuple[int, float]]


@dataclass(frozen=True)
class Prompt:
    """A prompt about `country`, whose place `other` is to take."""

    country: str
    other: str
    ids: list[int]
    at_country: int


@dataclass(frozen=True)
class Rates:
    """Shares of the prompts: B's capital follows a swap, A's a silencing, B's an addition."""

    layer: int
    swapped: float
    silenced: float
    added: float
    n: int


class Capitals:
    """The bundled model, and its countries with their capitals."""

    def __init__(self, seed: int = 15) -> None:
        self.bench = Bench.load("axon-demo", [], slots=SLOTS)
        self.capitals = {country.name: country.capital for country in lexicon.countries()}
        self._random = random.Random(seed)

    def prompts(self, phrasings: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[Prompt]:
        """Each pair in each phrasing."""
        found = []
        for country, other in pairs:
            for phrasing in phrasings:
                before, after = phrasing.replace("{}", country).split("|")
                ids = self.bench.prompt_ids(before + after)
                found.append(Prompt(country, other, ids, len(self.bench.prompt_ids(before)) - 1))
        return found

    def pairs(self, n: int) -> list[tuple[str, str]]:
        """Different pairs of countries by chance."""
        every = [(a, b) for a in self.capitals for b in self.capitals if a != b]
        return self._random.sample(every, n)

    def say(
        self,
        prompts: Sequence[Prompt],
        capital_of: Sequence[str],
        edits: Sequence[tuple[Edit, ...]],
    ) -> float:
        """The share of prompts that go on with the capital of these countries."""
        answers = [self.bench.loaded.served.encode(" " + self.capitals[c]) for c in capital_of]
        said = [
            Driven(prompt.ids, len(answer), several)
            for prompt, answer, several in zip(prompts, answers, edits, strict=True)
        ]
        for start in range(0, len(said), SLOTS):
            drive(self.bench.loaded.runner, said[start : start + SLOTS], top_k=0)
        right = [s.ids[len(s.prompt) :] == want for s, want in zip(said, answers, strict=True)]
        return sum(right) / len(right)

    def measure(self) -> tuple[float, list[Rates]]:
        """The share of prompts that the untouched model answers rightly, and all rates by layer."""
        choosing = self.prompts(CHOOSING, [(country, country) for country in self.capitals])
        trials = self.prompts(CHOOSING[:2], self.pairs(TRIALS // 2))
        measured = self.prompts(MEASURED, self.pairs(PAIRS))
        right = self.say(measured, [p.country for p in measured], [()] * len(measured))
        activations = self.activations(choosing)
        rates = [
            self._of_layer(layer, choosing, activations, trials, measured)
            for layer in range(len(self.bench.loaded.sources))
        ]
        return right, rates

    def activations(self, prompts: Sequence[Prompt]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of each source, activations [prompts, width] at the country and at the last token."""
        read = [Driven(prompt.ids, 0) for prompt in prompts]
        for start in range(0, len(read), SLOTS):
            drive(self.bench.loaded.runner, read[start : start + SLOTS], top_k=64)
        found = []
        for source, about in enumerate(self.bench.loaded.sources):
            places = ([p.at_country for p in prompts], [len(p.ids) - 1 for p in prompts])
            rows = [
                torch.stack(
                    [dense(s, at, source, about.width) for s, at in zip(read, place, strict=True)]
                )
                for place in places
            ]
            found.append((rows[0], rows[1]))
        return found

    def _rate(self, prompts: Sequence[Prompt], edit: Callable[[Prompt], Edit], b: bool) -> float:
        countries = [p.other if b else p.country for p in prompts]
        return self.say(prompts, countries, [(edit(p),) for p in prompts])

    def chosen(
        self,
        layer: int,
        choosing: Sequence[Prompt],
        activations: Sequence[tuple[torch.Tensor, torch.Tensor]],
        trials: Sequence[Prompt],
    ) -> Features:
        """Every country's feature in one layer."""
        by_place = [_features(choosing, rows) for rows in activations[layer]]
        return max(by_place, key=lambda one: self._rate(trials, _swaps(layer, one), b=True))

    def _of_layer(
        self,
        layer: int,
        choosing: Sequence[Prompt],
        activations: Sequence[tuple[torch.Tensor, torch.Tensor]],
        trials: Sequence[Prompt],
        measured: Sequence[Prompt],
    ) -> Rates:
        rate = self._rate
        chosen = self.chosen(layer, choosing, activations, trials)
        return Rates(
            layer,
            swapped=rate(measured, _swaps(layer, chosen), b=True),
            silenced=rate(
                measured, lambda p: Edit(layer, chosen[p.country][0], Change.SCALE, 0), b=False
            ),
            added=rate(
                measured,
                lambda p: Edit(
                    layer, chosen[p.other][0], Change.ADD, chosen[p.other][1], everywhere=True
                ),
                b=True,
            ),
            n=len(measured),
        )


def _swaps(layer: int, chosen: Features) -> Callable[[Prompt], Edit]:
    return lambda p: Edit(layer, chosen[p.country][0], Change.SWAP, swap_with=chosen[p.other][0])


def _features(prompts: Sequence[Prompt], rows: torch.Tensor) -> Features:
    """Every country's feature, and its mean activation there."""
    countries = list(dict.fromkeys(p.country for p in prompts))
    about = torch.tensor([countries.index(p.country) for p in prompts])
    means = torch.stack([rows[about == n].mean(0) for n in range(len(countries))])
    above = means - (means.sum(0) - means) / (len(countries) - 1)
    best = above.argmax(1)
    strengths = means.gather(1, best[:, None]).squeeze(1)
    return dict(zip(countries, zip(best.tolist(), strengths.tolist(), strict=True), strict=True))


def table(right: float, rates: Sequence[Rates]) -> str:
    """The rates as a Markdown table."""
    lines = [
        "| layer | swapped: B's capital | silenced: still A's | B added: B's capital | prompts |",
        "|---|---|---|---|---|",
        f"| no edit | | {right:.1%} | | {rates[0].n} |",
    ]
    lines += [
        f"| {one.layer} | {one.swapped:.1%} | {one.silenced:.1%} | {one.added:.1%} | {one.n} |"
        for one in rates
    ]
    return "\n".join(lines)


def written(card: str, measured: str, place: str = "edits") -> str:
    """The model's card with this table in its place."""
    before, begin, rest = card.partition(f"<!-- {place} -->\n")
    _, end, after = rest.partition(f"<!-- /{place} -->")
    assert begin, "the card has no place for the table"
    assert end, "the card has no end of the table's place"
    return f"{before}{begin}{measured}\n{end}{after}"


def main() -> None:
    """Print the table, and write it into the model's card."""
    torch.set_num_threads(1)  # more make a model of this size slower
    measured = table(*Capitals().measure())
    print(measured)
    card = BUNDLED_MODEL / "README.md"
    card.write_text(written(card.read_text(encoding="utf-8"), measured), encoding="utf-8")


if __name__ == "__main__":
    main()
