"""Train a Sparse Autoencoder with SAELens' trainer, on a residual stream of a model in a folder.

    python docs/examples/train_sae.py MODEL TEXT OUT --layer 2

MODEL is a folder in Hugging Face format, TEXT a text file of what the model reads, and OUT the
folder that Axon serves (`AXON_SOURCES=OUT`). See docs/own-sae.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from transformers import AutoModelForCausalLM, AutoTokenizer

WINDOW, BATCH = 128, 1024


@torch.no_grad()
def residuals(model: Path, text: Path, layer: int, tokens: int) -> torch.Tensor:
    """The residual stream after a block [N, d_model], without those of the BOS of each window."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForCausalLM.from_pretrained(model)
    if not 0 <= layer < network.config.num_hidden_layers - 1:
        # What transformers gives out after the last block has passed the final norm.
        raise SystemExit(f"--layer must be 0 to {network.config.num_hidden_layers - 2}")
    with text.open() as file:  # a token has a few characters at most
        ids = tokenizer(file.read(8 * tokens), verbose=False)["input_ids"][:tokens]
    windows = torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).view(-1, WINDOW)
    bos = torch.full((len(windows), 1), tokenizer.bos_token_id or tokenizer.eos_token_id)
    found = []
    for part in torch.split(torch.cat([bos, windows], 1), 16):
        states = network(part, output_hidden_states=True).hidden_states
        found.append(states[layer + 1][:, 1:].flatten(0, 1))
    return torch.cat(found)


def batches(vectors: torch.Tensor) -> Iterator[torch.Tensor]:
    """Batches in random order, without end."""
    while True:
        for chosen in torch.split(torch.randperm(len(vectors)), BATCH):
            if len(chosen) == BATCH:
                yield vectors[chosen]


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--layer", type=int, default=2, help="counted from 0")
    parser.add_argument("--width", type=int, default=1024, help="features")
    parser.add_argument("--k", type=int, default=8, help="features that are active at a token")
    parser.add_argument("--tokens", type=int, default=100_000, help="of the text")
    parser.add_argument("--steps", type=int, default=2_000, help=f"of {BATCH} tokens each")
    given = parser.parse_args()
    torch.manual_seed(0)
    vectors = residuals(given.model, given.text, given.layer, given.tokens)
    scale = vectors.shape[1] ** 0.5 / vectors.norm(dim=1).mean().item()
    metadata = SAEMetadata(
        model_name=given.model.name,
        hook_name=f"blocks.{given.layer}.hook_resid_post",
        prepend_bos=True,
        context_size=WINDOW,
        neuronpedia_id=f"{given.model.name}/{given.layer}-own",
    )
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=vectors.shape[1], d_sae=given.width, k=given.k, metadata=metadata
        )
    )
    with torch.no_grad():
        sae.b_dec.copy_(vectors.mean(0) * scale)
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=given.steps * BATCH,
            train_batch_size_samples=BATCH,
            lr=1e-3,
            lr_end=1e-4,
            lr_warm_up_steps=given.steps // 20,
            lr_decay_steps=given.steps // 3,
            dead_feature_window=max(1, given.steps // 10),
        ),
        sae=sae,
        data_provider=batches(vectors * scale),
    )
    trained = trainer.fit()
    trained.fold_activation_norm_scaling_factor(scale)
    given.out.mkdir(parents=True, exist_ok=True)
    trained.save_inference_model(given.out)


if __name__ == "__main__":
    main()
