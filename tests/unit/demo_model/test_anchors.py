"""Causal anchors, on a model that names a capital by the last word alone."""

from __future__ import annotations

import random

import pytest
import torch
from demo_model import anchors
from demo_model.anchor_prompts import KINDS, Kind
from sae_lens import SAE, StandardSAE, StandardSAEConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Greece": "Athens"}
WORDS = ["<end>", "the", "capital", "of", *CAPITALS, *CAPITALS.values()]
N = len(WORDS)


def write(rng: random.Random, word: str, _other: str, measured: bool) -> str:
    return ("the capital of " if measured else "of ") + f"{word}|"


KIND = Kind("capitals", CAPITALS, write)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<end>"))
    words.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<end>")


@pytest.fixture
def model() -> GPT2LMHeadModel:
    """Blocks add nothing; the head turns each country's direction into its capital."""
    sizes = {"n_embd": N, "n_head": 1, "n_layer": 2, "n_positions": 16}
    config = GPT2Config(
        vocab_size=N, eos_token_id=0, bos_token_id=0, tie_word_embeddings=False, **sizes
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".ln_" not in name:
                parameter.zero_()
        model.transformer.wte.weight.copy_(torch.eye(N))
        for country, capital in CAPITALS.items():
            model.lm_head.weight[WORDS.index(capital), WORDS.index(country)] = 1
    return model


def sae_of_words(length: float, order: list[int]) -> SAE:
    """One feature for each word, with decoder rows of this length, or longer."""
    sae = StandardSAE(StandardSAEConfig(d_in=N, d_sae=N, apply_b_dec_to_input=False))
    lengths = length * torch.arange(1, N + 1)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.zero_()
        sae.W_dec.copy_(torch.eye(N)[order] * lengths[:, None])
        sae.W_enc.copy_((torch.eye(N)[order] / lengths[:, None]).T)
    return sae


def test_a_feature_that_is_the_word_swaps_it(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    saes = [sae_of_words(1, list(range(N))), sae_of_words(3, list(reversed(range(N))))]
    rates = anchors.measure(model, tokenizer, saes, seed=1, kinds=[KIND], n_swaps=20)
    expected = {"swapped": 1, "silenced_changed": 1, "control_changed": 0, "n": 20, "answered": 1}
    assert rates == {"capitals": {0: expected, 1: expected}}


def test_features_that_are_no_words_swap_nothing(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    sae = sae_of_words(1, list(range(N)))
    with torch.no_grad():
        sae.b_enc.fill_(-2)
    rates = anchors.measure(model, tokenizer, [sae, sae], seed=1, kinds=[KIND], n_swaps=20)
    assert rates["capitals"][1] == {
        "swapped": 0, "silenced_changed": 0, "control_changed": 0, "n": 20, "answered": 1,
    }  # fmt: skip


def test_what_the_model_does_not_know_is_not_counted(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    with torch.no_grad():
        model.lm_head.weight.zero_()
    sae = sae_of_words(1, list(range(N)))
    rates = anchors.measure(model, tokenizer, [sae, sae], seed=1, kinds=[KIND], n_swaps=20)
    assert rates["capitals"][0]["n"] == 0
    assert rates["capitals"][0]["answered"] == 0


def test_the_edit_moves_what_fires_in_lengths_of_the_decoder() -> None:
    sae = sae_of_words(2, list(range(N)))
    x = torch.zeros(2, 3, N)
    x[:, :, 4] = 5
    edited = anchors.replacing(sae, torch.tensor([9, 4, 7]), torch.tensor([1, 6, 1]))(
        x, slice(1, 3)
    )
    wanted = x.clone()
    wanted[0, 1:, 4], wanted[0, 1:, 6] = 0, 5  # but not at the start of the text
    torch.testing.assert_close(edited, wanted)
    silent = anchors.replacing(sae, torch.tensor([4, 4]), None)(x, slice(0, 2))
    assert silent[:, 1:].abs().max() < 1e-6


def test_the_table_has_a_line_for_each_layer() -> None:
    of = {"swapped": 0.5, "silenced_changed": 1.0, "control_changed": 0.0, "n": 8, "answered": 1.0}
    table = anchors.table({"moods": {0: of, 1: of}})
    assert table.splitlines()[2:] == [
        f"| moods | {layer} | 50.0% | 100.0% | 0.0% | 8 |" for layer in (0, 1)
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("measured", [False, True])
def test_prompts_are_about_their_word_and_keep_their_counterpart_out(
    kind: Kind, measured: bool
) -> None:
    rng = random.Random(3)
    texts = set()
    for _ in range(100):
        word, other = rng.sample(list(kind.answers), 2)
        text = kind.write(rng, word, other, measured)
        texts.add(text)
        assert text.count("|") == 1
        assert "{" not in text
        assert kind.answers[other] not in text
        assert kind.name == "moods" or word in text.split("|")[0]
        assert kind.name == "places" or kind.answers[word] not in text
    assert len(texts) > 50


def test_choosing_and_measuring_share_no_prompt() -> None:
    rng = random.Random(3)
    for kind in KINDS:
        pairs = [rng.sample(list(kind.answers), 2) for _ in range(200)]
        chosen, measured = (
            {kind.write(rng, word, other, which) for word, other in pairs}
            for which in (False, True)
        )
        assert not chosen & measured
