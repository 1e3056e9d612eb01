"""`python -m demo_model.examples`: texts that activate each feature of the bundled model most.

The texts are beginnings of documents that no training text has, each read by itself, so that who
gives the model one of them sees the same activations. They go into examples.npz:

    tokens       uint16 [D, WIDTH], of D texts, without `<|endoftext|>` in front
    lengths      uint8 [D]
    NAME.text    uint16 [features, MOST], for the SAE in the folder NAME: which texts, strongest
                 first; NONE where there are fewer
    NAME.values  float16 [features, MOST, WIDTH], the feature's activation at each token
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast

from demo_model import residuals, saes
from demo_model.config import FULL
from demo_model.world.writer import Writer

HERE = Path(__file__).parent
WIDTH, MOST, NONE = 20, 3, 65535
_DOCUMENTS = 4000
_SEED = 8  # no kind of the recipe's text has it
_AT_ONCE = 500


def texts(words: PreTrainedTokenizerFast, seed: int, documents: int) -> list[list[int]]:
    """The first tokens of documents, each text once."""
    written = islice(Writer(seed, annotated=False).documents(), documents)
    encoded = words([document.text for document in written], verbose=False)["input_ids"]
    return [list(ids) for ids in dict.fromkeys(tuple(ids[:WIDTH]) for ids in encoded) if ids]


@torch.no_grad()
def strongest(
    activations: list[torch.Tensor],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of parts [texts, WIDTH, features]: which texts activate each feature most [features, MOST],
    -1 where none does, and the activations there [features, MOST, WIDTH]."""
    peaks = torch.cat([part.amax(1) for part in activations])  # [texts, features]
    best = peaks.topk(MOST, 0)
    at = torch.where(best.values > 0, best.indices, -1).T  # [features, MOST]
    found = torch.zeros(*at.shape, WIDTH)
    first = 0
    for part in activations:
        here = (at >= first) & (at < first + len(part))
        feature, rank = here.nonzero(as_tuple=True)
        found[feature, rank] = part[at[feature, rank] - first, :, feature]
        first += len(part)
    return at.numpy(), found.numpy()


def main() -> None:
    """Write examples.npz for the model in this folder."""
    torch.set_num_threads(1)
    words = AutoTokenizer.from_pretrained(HERE / "model")
    assert isinstance(words, PreTrainedTokenizerFast)
    lm = GPT2LMHeadModel.from_pretrained(HERE / "model")
    chosen = texts(words, FULL.seed + _SEED, _DOCUMENTS)
    rows = torch.full((len(chosen), WIDTH + 1), words.eos_token_id)
    for row, ids in zip(rows, chosen, strict=True):
        row[1 : len(ids) + 1] = torch.tensor(ids)
    lengths = torch.tensor([len(ids) for ids in chosen])
    inside = torch.arange(WIDTH) < lengths[:, None]
    found = {}
    for layer, vectors in enumerate(residuals.collect(lm, rows)):
        name = residuals.hook_name(layer)
        sae = saes.load(HERE / "saes" / name)
        sae.fold_W_dec_norm()
        each = vectors.view(len(rows), WIDTH + 1, -1)[:, 1:]
        parts = [
            sae.encode(part) * where[..., None]
            for part, where in zip(
                torch.split(each, _AT_ONCE), torch.split(inside, _AT_ONCE), strict=True
            )
        ]
        found[name] = strongest(parts)
    used = np.unique(np.concatenate([at.ravel() for at, _ in found.values()]))
    used = used[used >= 0]
    arrays: dict[str, NDArray[Any]] = {
        "tokens": rows[used, 1:].numpy().astype(np.uint16),
        "lengths": lengths[used].numpy().astype(np.uint8),
    }
    for name, (at, values) in found.items():
        renamed = np.where(at >= 0, np.searchsorted(used, at), NONE)
        arrays |= {f"{name}.text": renamed.astype(np.uint16)}
        arrays |= {f"{name}.values": values.astype(np.float16)}
    np.savez_compressed(HERE / "examples.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
