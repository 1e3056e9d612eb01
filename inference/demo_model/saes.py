"""Train one sparse autoencoder per residual layer with SAELens' own trainer."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from sae_lens import SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer

from demo_model.config import Recipe
from demo_model.residuals import hook_name

MODEL_ID = "axon-demo"
_DEAD_AFTER = 500  # steps without firing


def source_id(layer: int) -> str:
    """The SAE's name in Neuronpedia's style, after the model's."""
    return f"{layer}-res"


def train(
    residuals: torch.Tensor, directions: torch.Tensor, layer: int, recipe: Recipe
) -> BatchTopKTrainingSAE:
    """Train an SAE on `residuals` [n_tokens, d_model], from `directions` [d_sae, d_model]."""
    torch.manual_seed(recipe.seed + layer)
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=recipe.d_model,
            d_sae=recipe.d_sae,
            k=recipe.k[layer],
            # SAELens would revive dead features by their pre-activations; from this start few die,
            # and pre-activations far below zero would drown the reconstruction.
            aux_loss_coefficient=0.0,
            metadata=_metadata(layer, recipe),
        )
    )
    # The usual scale: residuals of norm sqrt(d_model) on average. Folded into the weights below.
    scale = recipe.d_model**0.5 / residuals.norm(dim=1).mean().item()
    scaled = residuals * scale
    _start(sae, scaled, directions * scale)
    steps = recipe.sae_samples[layer] // recipe.sae_batch
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=steps * recipe.sae_batch,
            train_batch_size_samples=recipe.sae_batch,
            lr=recipe.sae_learning_rate,
            lr_end=recipe.sae_learning_rate / 20,
            lr_warm_up_steps=steps // 20,
            lr_decay_steps=steps // 2,
            dead_feature_window=min(_DEAD_AFTER, max(1, steps // 10)),
        ),
        sae=sae,
        data_provider=_shuffled(scaled, recipe.sae_batch, recipe.seed + layer),
    )
    sae = trainer.fit()
    sae.fold_activation_norm_scaling_factor(scale)
    return sae


@torch.no_grad()
def _start(sae: BatchTopKTrainingSAE, x: torch.Tensor, directions: torch.Tensor) -> None:
    """Decoder along `directions`, encoder as the linear test that tells each from the rest.

    With its bias a test gives a direction's full size where the direction is there as a whole, and
    nothing where it is there by half or less.
    """
    mean = x.mean(dim=0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    covariance += 0.01 * covariance.diagonal().mean() * torch.eye(len(covariance))
    decoder = torch.nn.functional.normalize(directions, dim=1)
    tests = torch.linalg.solve(covariance, decoder.T)
    sae.b_dec.copy_(mean)
    sae.W_dec.copy_(decoder)
    sae.W_enc.copy_(2 * tests / (tests * decoder.T).sum(dim=0))
    sae.b_enc.copy_(-directions.norm(dim=1))


def save(sae: BatchTopKTrainingSAE, folder: Path) -> SAE:
    """Save in SAELens' inference format (a JumpReLU SAE) and read it back as every user will."""
    folder.mkdir(parents=True, exist_ok=True)
    sae.save_inference_model(folder)
    config = folder / "cfg.json"
    # SAELens writes its settings in an order that changes from run to run.
    config.write_text(json.dumps(json.loads(config.read_text()), indent=1, sort_keys=True) + "\n")
    return SAE.load_from_disk(folder)


def _metadata(layer: int, recipe: Recipe) -> SAEMetadata:
    return SAEMetadata(
        model_name=MODEL_ID,
        hook_name=hook_name(layer),
        hook_head_index=None,
        prepend_bos=True,
        context_size=recipe.context,
        model_from_pretrained_kwargs={},
        neuronpedia_id=f"{MODEL_ID}/{source_id(layer)}",
    )


def _shuffled(residuals: torch.Tensor, batch: int, seed: int) -> Iterator[torch.Tensor]:
    """Batches without end, in a new order every epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(residuals), generator=generator)
        for indices in torch.split(order, batch):
            if len(indices) == batch:
                yield residuals[indices]
