"""The model and SAE of the benchmark: random weights, the model in GPT-2 small's shape.

They are made once, in a folder that git ignores. They have the formats of real ones, so every
contestant loads them in its usual way, and nothing is downloaded.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "bench"
HOOK = "blocks.8.hook_resid_pre"
WIDTH = 24_576
L0 = 50
VOCABULARY = 50_257
# Increase it when the code below makes other files, so that an old folder is made again.
_VERSION = "1"
_WORDS = 30_000


@dataclass(frozen=True)
class Subject:
    """The folders of model and SAE, and a Hugging Face cache that has the model as `gpt2`."""

    model: Path
    sae: Path
    hub: Path


def prepare(folder: Path = FOLDER) -> Subject:
    """The subject; it is made first if it does not exist, which takes about a minute."""
    subject = Subject(folder / "model", folder / "sae", folder / "hub")
    stamp = folder / "version"
    if not stamp.is_file() or stamp.read_text() != _VERSION:
        shutil.rmtree(folder, ignore_errors=True)
        _make_tokenizer(subject.model)
        _make_model(subject.model)
        _make_sae(subject)
        _make_hub(subject)
        stamp.write_text(_VERSION)
    return subject


def words(seed: int) -> Iterator[str]:
    """Endless random words of the artificial language that the tokenizer was trained on."""
    lexicon = _lexicon()
    choose = random.Random(seed)
    while True:
        yield choose.choice(lexicon)


def prompt(encode: Any, tokens: int, seed: int) -> str:
    """A text of exactly `tokens` tokens."""
    supply = words(seed)
    chosen: list[str] = []
    while True:
        word = next(supply)
        count = len(encode(" ".join([*chosen, word])))
        if count <= tokens:
            chosen.append(word)
        if count == tokens:
            return " ".join(chosen)


def _lexicon() -> list[str]:
    choose = random.Random(0)
    syllables = [c + v for c in "bdfghjklmnprstvwz" for v in ("a", "e", "i", "o", "u", "ai", "ou")]
    made = ("".join(choose.choices(syllables, k=choose.randint(1, 4))) for _ in range(3 * _WORDS))
    return list(dict.fromkeys(made))[:_WORDS]


def _make_tokenizer(folder: Path) -> None:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    raw = ByteLevelBPETokenizer()
    special = "<|endoftext|>"
    raw.train_from_iterator(
        (f"{word} {word}" for word in _lexicon()),
        vocab_size=VOCABULARY,
        min_frequency=1,
        special_tokens=[special],
        show_progress=False,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw._tokenizer, bos_token=special, eos_token=special
    )
    tokenizer.save_pretrained(folder)


def _make_model(folder: Path) -> None:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    # The weights are larger than usual, so that the best token is clear and the text does not
    # repeat one token. TransformerLens needs `n_ctx`, which older configs had.
    config = GPT2Config(initializer_range=0.1, bos_token_id=0, eos_token_id=0, n_ctx=1024)
    assert config.vocab_size == VOCABULARY
    GPT2LMHeadModel(config).save_pretrained(folder)


def _make_sae(subject: Subject) -> None:
    """Random directions; the biases make each feature fire at L0 / WIDTH of all positions."""
    import torch
    from safetensors.torch import save_file

    residuals = _residuals(subject.model)
    mean = residuals.mean(0)
    torch.manual_seed(1)
    decoder = torch.nn.functional.normalize(torch.randn(WIDTH, residuals.shape[1]), dim=-1)
    before = (residuals - mean) @ decoder.T
    firing = round(len(residuals) * L0 / WIDTH)
    threshold = before.topk(firing + 1, dim=0).values[-1]
    weights = {"W_enc": decoder.T.contiguous(), "W_dec": decoder, "b_dec": mean}
    subject.sae.mkdir(parents=True)
    save_file({**weights, "b_enc": -threshold}, subject.sae / "sae_weights.safetensors")
    config = {
        "architecture": "standard",
        "d_in": residuals.shape[1],
        "d_sae": WIDTH,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12", "hook_name": HOOK, "prepend_bos": True},
    }
    (subject.sae / "cfg.json").write_text(json.dumps(config))


def _residuals(model: Path) -> Any:
    """The residual stream at `HOOK`, [positions, d_model], over text that the model wrote."""
    import torch
    from transformers import GPT2LMHeadModel

    network = GPT2LMHeadModel.from_pretrained(model).eval()
    layer = int(HOOK.split(".")[1])
    torch.manual_seed(2)
    starts = torch.randint(1, VOCABULARY, (32, 12))
    with torch.inference_mode():
        text = network.generate(starts, max_new_tokens=84, do_sample=True, pad_token_id=0)
        states = network(text, output_hidden_states=True).hidden_states[layer]
    return states[:, 1:].flatten(0, 1).clone()


def _make_hub(subject: Subject) -> None:
    """A Hugging Face cache in which TransformerLens finds our config under the name `gpt2`."""
    snapshot = subject.hub / "models--gpt2" / "snapshots" / "local"
    snapshot.mkdir(parents=True)
    for path in subject.model.iterdir():
        (snapshot / path.name).symlink_to(path.resolve())
    refs = subject.hub / "models--gpt2" / "refs"
    refs.mkdir()
    (refs / "main").write_text("local")
