"""What the SAE of each layer found: trained without labels, then described and measured."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from sae_lens import SAE
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import export, facts, labels, measure, promoted, residuals, saes
from demo_model.config import Recipe
from demo_model.corpus import Corpus
from demo_model.facts import Facts
from demo_model.labels import Label, Score
from demo_model.statements import Statement


@dataclass
class Findings:
    """What training, labelling and measuring the SAEs of all layers share.

    Residuals are per layer [n_positions, d_model], at every position but `<|endoftext|>`.
    """

    lm: GPT2LMHeadModel
    texts: list[str]  # of all tokens
    train: list[torch.Tensor]
    spliced: torch.Tensor  # rows of the held-out text to run with an SAE's output in them
    clean: float  # the loss of these rows with nothing in them
    heldout: list[torch.Tensor]
    heldout_facts: Facts
    choice: list[torch.Tensor]
    choice_facts: Facts

    @classmethod
    def collect(
        cls,
        lm: GPT2LMHeadModel,
        words: PreTrainedTokenizerFast,
        train: torch.Tensor,
        heldout: Corpus,
        choice: Corpus,
        n_spliced: int,
    ) -> "Findings":
        """Run the model over all texts, and state what holds in two of them."""
        texts = [str(words.decode([token])) for token in range(len(words))]

        def stated(text: Corpus) -> Facts:
            tokens = [[texts[token] for token in row] for row in text.rows.tolist()]
            return facts.collect(text.words, tokens)

        return cls(
            lm=lm,
            texts=texts,
            train=inside(lm, train),
            spliced=heldout.rows[:n_spliced],
            clean=residuals.loss(lm, heldout.rows[:n_spliced]),
            heldout=inside(lm, heldout.rows),
            heldout_facts=stated(heldout),
            choice=inside(lm, choice.rows),
            choice_facts=stated(choice),
        )

    @contextmanager
    def running(
        self, layers: Iterable[int], recipe: Recipe, out: Path
    ) -> Iterator[dict[int, Future[dict[str, Any]]]]:
        """Run these layers, one on each thread of the recipe: their batches are too small to gain
        from more. The processes share the residuals of this one."""
        with ProcessPoolExecutor(
            recipe.threads, multiprocessing.get_context("fork"), _share, (self,)
        ) as pool:
            yield {layer: pool.submit(_run_layer, layer, recipe, out) for layer in layers}

    def run_layer(self, layer: int, recipe: Recipe, out: Path) -> dict[str, Any]:
        """Train, save, label and measure the SAE of one layer."""
        folder = out / "saes" / residuals.hook_name(layer)
        sae = saes.save(saes.train(self.train[layer], layer, recipe), folder)
        x = self.heldout[layer]
        figures = measure.measure_sae(self.lm, sae, layer, self.spliced, x, self.clean)
        fired = labels.firings(measure.encode(sae, x), sae.cfg.d_sae)
        chosen, scores = self._label(layer, sae, fired)
        source = saes.source_id(layer)
        target = out / "labels" / saes.MODEL_ID / source
        named = {label.feature for label in chosen}
        unnamed = [n for n, where in enumerate(fired.positions) if len(where) and n not in named]
        promotes = promoted.describe(self.lm, sae.W_dec.detach(), self.texts, unnamed)
        export.write_labels(target, source, chosen, scores, promotes)
        export.write_features(target, source, fired)
        return {
            "source": f"{saes.MODEL_ID}/{source}",
            "hook": residuals.hook_name(layer),
            "width": sae.cfg.d_sae,
            **asdict(figures),
            "loss_recovered": figures.recovered,
            "loss_recovered_from_mean": figures.recovered_from_mean,
            **labels.summary(fired, chosen, scores, self.heldout_facts),
        }

    def _label(
        self, layer: int, sae: SAE, fired: labels.Firings
    ) -> tuple[list[Label], dict[int, Score]]:
        """Chosen on one text, scored on the other; those that do not stand up are left out."""
        activations = measure.encode(sae, self.choice[layer])
        chosen = labels.choose(labels.firings(activations, sae.cfg.d_sae), self.choice_facts)
        where: dict[Statement, facts.Ints] = dict(
            zip(self.heldout_facts.statements, self.heldout_facts.by_statement(), strict=True)
        )
        scores = {
            label.feature: labels.score(label, fired, self.heldout_facts, where) for label in chosen
        }
        return labels.settle(chosen, scores), scores


_shared: list[Findings] = []


def _share(findings: Findings) -> None:
    torch.set_num_threads(1)
    _shared.append(findings)


def _run_layer(layer: int, recipe: Recipe, out: Path) -> dict[str, Any]:
    return _shared[0].run_layer(layer, recipe, out)


def inside(lm: GPT2LMHeadModel, rows: torch.Tensor) -> list[torch.Tensor]:
    """Residuals of every layer at the positions of all tokens but `<|endoftext|>`."""
    kept = residuals.is_text(lm, rows).flatten()
    return [residual[kept] for residual in residuals.collect(lm, rows)]
