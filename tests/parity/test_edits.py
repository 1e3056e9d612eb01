"""Edits agree with TransformerLens' hooks that do the formula with SAELens' encoder and decoder
row, alone and in a batch; rows that nobody edits do not notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axon_inference.engine.requests import Change, Edit, Origin
from axon_inference.step import following
from axon_inference.step.runner import ModelRunner

from .. import tiny
from . import reference
from .driver import Driven, dense, drive
from .harness import Bench
from .test_graphs import Rerun

ATOL = 5e-4
PROMPTS = [
    "the capital of France is",
    "a small cat sat on every warm mat under 17 stars and",
    "Paris is the capital of every small cat",
    "a",
    "on the mat , under the stars !",
    "17 17 17 17 17 17 17",
    "of of the the",
    "ü",
]
LENGTHS = [9, 5, 12, 14, 3, 1, 8, 6]
ARCHITECTURES = {
    "standard": ("standard", "blocks.1.hook_resid_pre", {}),
    "jumprelu": ("jumprelu", "blocks.0.hook_resid_post", {}),
    "gated": ("gated", "blocks.2.hook_resid_post", {}),
    "topk": ("topk", "blocks.1.hook_mlp_out", {}),
    "matching_pursuit": ("matching_pursuit", "blocks.0.hook_resid_post", {}),
    "heads": ("standard", "blocks.1.attn.hook_z", {}),
    "layer_norm": (
        "standard",
        "blocks.1.hook_attn_out",
        {"normalize_activations": "layer_norm"},
    ),
    "constant_norm": (
        "jumprelu",
        "blocks.1.hook_resid_pre",
        {"normalize_activations": "constant_norm_rescale"},
    ),
    "transcoder": (
        "transcoder",
        "blocks.1.ln2.hook_normalized",
        {"normalize_activations": "layer_norm"},
    ),
    "skip_transcoder": ("jumprelu_skip_transcoder", "blocks.1.mlp.hook_in", {}),
}


@dataclass(frozen=True)
class Subject:
    """A model and its SAEs in Axon's runner and in the libraries."""

    runner: ModelRunner
    bench: Bench
    bridge: Any
    saes: list[Any]

    @classmethod
    def load(
        cls, folder: Path, saes: Sequence[Path], capture: Rerun | None = None, **processing: bool
    ) -> Subject:
        bench = Bench.load(folder, saes, slots=8, capture=capture)
        theirs = reference.load_saes(saes)
        bridge = reference.boot(folder, **processing)
        return cls(bench.loaded.runner, bench, bridge, theirs)

    def prompt(self, text: str) -> list[int]:
        return self.bench.prompt_ids(text)

    def firing(self, prompt: list[int], source: int, n: int = 3) -> list[int]:
        """Features that fire at some positions of a prompt, those that fire most first."""
        found = reference.touched(self.bridge, self.saes, prompt, (), len(prompt))
        return found.before[source][1:].sum(0).topk(n).indices.tolist()

    def check(self, *sequences: Driven) -> None:
        """Tokens, log-probabilities, features and what was edited are the reference's, of one
        sequence in several batches."""
        one = sequences[0]
        want = reference.continued(self.bridge, self.saes, one.prompt, one.max_tokens, one.edits)
        for sequence in sequences:
            self._check(sequence, *want)

    def _check(self, sequence: Driven, ids: list[int], want: reference.Touched) -> None:
        assert sequence.ids == ids
        logprobs = want.logits.log_softmax(-1)
        for position, logprob in sequence.logprobs.items():
            assert logprob == pytest.approx(float(logprobs[position - 1, ids[position]]), abs=2e-4)
        for position in range(len(ids)):
            for source in range(len(self.saes)):
                self._check_features(sequence, position, source, want)

    def _check_features(
        self, sequence: Driven, position: int, source: int, want: reference.Touched
    ) -> None:
        before, after = want.before[source][position], want.after[source][position]
        found = dense(sequence, position, source, len(before))
        torch.testing.assert_close(found, after.clamp_min(0), atol=ATOL, rtol=2e-4)
        _, values, l0, _ = sequence.features[position][source]
        assert list(values) == sorted(values, reverse=True)
        near = int(((before.abs() <= ATOL) & (before != 0)).sum())
        assert abs(l0 - int((before > 0).sum())) <= near
        edited = {f: pair for (s, f), pair in sequence.edited[position].items() if s == source}
        changed = (after - before).abs() > ATOL
        assert set(changed.nonzero().flatten().tolist()) <= set(edited)
        for feature, (was, new) in edited.items():
            assert was == pytest.approx(float(before[feature]), abs=ATOL, rel=2e-4)
            assert new == pytest.approx(float(after[feature]), abs=ATOL, rel=2e-4)


def edits_of(subject: Subject, source: int, prompt: list[int]) -> list[tuple[Edit, ...]]:
    """Edits of every kind, alone and several together."""
    one, two, three = subject.firing(prompt, source)
    other = 5 if 5 not in (one, two, three) else 7
    silent = Edit(source, one, Change.SCALE, 0)
    swap = Edit(source, one, Change.SWAP, swap_with=other)
    add = Edit(source, other, Change.ADD, 2.5, everywhere=True)
    return [
        (silent,),
        (swap,),
        (add,),
        (Edit(source, two, Change.SET, 4.0),),
        (Edit(source, other, Change.SET, 3.0, everywhere=True),),
        (Edit(source, one, Change.SCALE, -1.5), Edit(source, three, Change.ADD, -2.0)),
        # Two that write one feature, one of which is swapped away itself.
        (
            swap,
            add,
            Edit(source, other, Change.SCALE, 3.0),
            Edit(source, two, Change.SWAP, swap_with=one),
        ),
        (replace(add, origin=Origin.PROMPT),),
        (replace(add, origin=Origin.GENERATED), replace(silent, origin=Origin.PROMPT)),
        (replace(add, first=2, last=6),),
        (replace(add, include_bos=True), replace(silent, include_bos=True)),
    ]


def check_batches(
    subject: Subject, choose: list[tuple[Edit, ...]], rows_meet: bool = False
) -> None:
    """Three of eight ragged sequences are edited, each alone too; the others are bit-identical to
    the same batch without any edit, unless rows meet in a model that sorts them by experts."""
    prompts = [subject.prompt(text) for text in PROMPTS]

    def batch(edits: dict[int, tuple[Edit, ...]]) -> list[Driven]:
        return [
            Driven(prompt, length, edits.get(n, ()))
            for n, (prompt, length) in enumerate(zip(prompts, LENGTHS, strict=True))
        ]

    for start in range(0, len(choose), 3):
        edits = dict(zip((0, 2, 5), choose[start : start + 3], strict=False))
        found: dict[int, list[Driven]] = {
            n: drive(subject.runner, [Driven(prompts[n], LENGTHS[n], several)], chunk=3)
            for n, several in edits.items()
        }
        for chunk in (4, 1000):
            together = drive(subject.runner, batch(edits), chunk=chunk)
            plain = drive(subject.runner, batch({}), chunk=chunk)
            for n, (one, other) in enumerate(zip(together, plain, strict=True)):
                if n in edits:
                    found[n].append(one)
                elif rows_meet:
                    assert one.ids == other.ids
                    subject.check(one)
                else:
                    assert_identical(one, other)
        for several in found.values():
            subject.check(*several)


def assert_identical(one: Driven, other: Driven) -> None:
    """Every bit of what is reported; the zeros at the end of a list are not."""
    assert one.ids == other.ids
    assert one.logprobs == other.logprobs
    assert not any(one.edited)
    for found, want in zip(one.features, other.features, strict=True):
        for (ids, values, *rest), (ids_, values_, *rest_) in zip(found, want, strict=True):
            np.testing.assert_array_equal(values[values > 0], values_[values_ > 0])
            np.testing.assert_array_equal(ids[values > 0], ids_[values_ > 0])
            assert rest == rest_


@pytest.mark.parametrize("case", ARCHITECTURES)
def test_architectures(case: str, tmp_path: Path) -> None:
    architecture, hook, about = ARCHITECTURES[case]
    folder = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", architecture, hook, **about)
    subject = Subject.load(folder, [sae])
    check_batches(subject, edits_of(subject, 0, subject.prompt(PROMPTS[2])))


@pytest.mark.parametrize("family", sorted(set(tiny.FAMILIES) - {"gemma3"}))
def test_families(family: str, tmp_path: Path) -> None:
    """Three sources, each edited in a sequence of its own, and all in one sequence."""
    hooks = {
        "jumprelu": "blocks.0.hook_resid_post",
        "standard": "blocks.1.hook_mlp_out",
        "topk": "blocks.2.hook_resid_pre",
    }
    folder = tiny.family_folder(tmp_path / "model", family)
    saes = [tiny.sae_folder(tmp_path / name, name, hook) for name, hook in hooks.items()]
    subject = Subject.load(folder, saes)
    prompt = subject.prompt(PROMPTS[2])
    first = [subject.firing(prompt, source)[0] for source in range(len(saes))]
    add = [Edit(n, 9, Change.ADD, 3.0, everywhere=True) for n in range(len(saes))]
    swap = [Edit(n, one, Change.SWAP, swap_with=11) for n, one in enumerate(first)]
    check_batches(
        subject, [(swap[0], add[0]), (swap[1], add[1]), (*swap, *add)], family in tiny.EXPERTS
    )


def test_sources_at_one_hook_point_read_the_same_vector(tmp_path: Path) -> None:
    hook = "blocks.1.hook_resid_post"
    folder = tiny.gpt2_folder(tmp_path / "model")
    kinds = ("jumprelu", "standard", "topk")
    subject = Subject.load(folder, [tiny.sae_folder(tmp_path / k, k, hook) for k in kinds])
    prompt = subject.prompt(PROMPTS[2])
    one, two = (subject.firing(prompt, source)[0] for source in (0, 1))
    edits = (
        Edit(0, one, Change.SCALE, 3.0),
        Edit(1, two, Change.SWAP, swap_with=3),
        Edit(2, 9, Change.ADD, 2.0, everywhere=True),
    )
    check_batches(subject, [edits, edits[1:]])


@pytest.mark.filterwarnings(r"ignore:\s*This SAE has non-empty:UserWarning")
def test_sources_that_read_centred_vectors(tmp_path: Path) -> None:
    """The decoder's rows are centred for the reference, as all is that writes into such a model."""
    kwargs = {"center_writing_weights": True}
    folder = tiny.gpt2_folder(tmp_path / "model")
    hooks = ("blocks.0.hook_resid_pre", "blocks.2.hook_resid_post")
    saes = [
        tiny.sae_folder(tmp_path / hook, "standard", hook, model_from_pretrained_kwargs=kwargs)
        for hook in hooks
    ]
    subject = Subject.load(folder, saes, **kwargs)
    for sae in subject.saes:
        sae.W_dec.data -= sae.W_dec.data.mean(-1, keepdim=True)
    check_batches(subject, edits_of(subject, 0, subject.prompt(PROMPTS[2]))[:3])


def test_few_features_are_the_strongest_that_edits_leave(tmp_path: Path) -> None:
    """One silenced makes room for the next, and one pushed up takes its place among the first."""
    folder = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_post")
    subject = Subject.load(folder, [sae])
    prompt = subject.prompt(PROMPTS[1])
    [one] = subject.firing(prompt, 0, 1)
    edits = (Edit(0, one, Change.SCALE, 0), Edit(0, 3, Change.SET, 1.5, everywhere=True))
    for k in (1, 2, 4):
        sequence = Driven(prompt, 4, edits)
        drive(subject.runner, [sequence, Driven(prompt, 4)], top_k=k)
        _, want = reference.continued(subject.bridge, subject.saes, prompt, 4, edits)
        for position, after in enumerate(want.after[0]):
            best = after.topk(k)
            found, values, *_ = sequence.features[position][0]
            np.testing.assert_allclose(values, best.values, atol=ATOL)
            assert found.tolist() == best.indices.tolist()


@pytest.mark.parametrize("at_once", [1, following._AT_ONCE])
def test_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """The likeliest next tokens and the prompt's own log-probabilities, under edits, whatever parts
    the prompt is read in; and sequences beside one another that ask for other numbers, or none."""
    monkeypatch.setattr(following, "_AT_ONCE", at_once)
    folder = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", "jumprelu", "blocks.1.hook_resid_post")
    subject = Subject.load(folder, [sae])
    prompts = [subject.prompt(text) for text in PROMPTS[:4]]
    add = Edit(0, 9, Change.ADD, 3.0, everywhere=True)
    for chunk in (1, 3, 1000):
        asked = [
            Driven(prompts[0], 5, (), 5),
            Driven(prompts[1], 0, (add,), 3),
            Driven(prompts[2], 7, (), None),
            Driven(prompts[3], 4, (add,), 0),
        ]
        for sequence in drive(subject.runner, asked, chunk=chunk):
            ids, want = reference.continued(
                subject.bridge, subject.saes, sequence.prompt, sequence.max_tokens, sequence.edits
            )
            subject.check(sequence)
            if sequence.alternatives is None:
                assert sorted(sequence.logprobs) == list(range(len(sequence.prompt), len(ids)))
                continue
            assert sorted(sequence.logprobs) == list(range(1, len(ids)))
            best = want.logits.log_softmax(-1).topk(sequence.alternatives, -1)
            for position, (found, logprobs) in enumerate(sequence.following):
                assert found.tolist() == best.indices[position].tolist()
                np.testing.assert_allclose(logprobs, best.values[position], atol=2e-4)
            assert len(sequence.following) == len(ids)


def test_captured_steps_between_edited_ones(tmp_path: Path) -> None:
    """Edits that end let captured steps run again; and what follows is read off those too."""
    folder = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", "jumprelu", "blocks.1.hook_resid_post")
    rerun = Rerun()
    subject = Subject.load(folder, [sae], rerun)
    prompt, other = subject.prompt(PROMPTS[0]), subject.prompt(PROMPTS[3])
    end = len(prompt) + 2
    limited = Edit(0, 9, Change.ADD, 3.0, everywhere=True, last=end)
    before = rerun.replayed
    for sequence in drive(
        subject.runner, [Driven(prompt, 9, (limited,)), Driven(other, len(prompt) + 8, (), 4)]
    ):
        subject.check(sequence)
        assert any(sequence.edited) is bool(sequence.edits)
        for position, (ids, _) in enumerate(sequence.following[:-1]):
            if position >= len(sequence.prompt) - 1:
                assert ids[0] == sequence.ids[position + 1]
    assert rerun.replayed - before >= 5
