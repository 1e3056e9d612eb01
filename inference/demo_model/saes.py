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
_ROWS_PER_SAMPLE = 8
_START_ROWS = 1024
_DRAWN_AT_ONCE = 512
_CLOSE = 0.8  # cosine
_THRESHOLD_RATE = 0.02


def source_id(layer: int) -> str:
    """The SAE's name in Neuronpedia's style, after the model's."""
    return f"{layer}-res"


class _BatchTopK(torch.nn.Module):
    """Keeps the largest activations of the batch, `k` for each of its rows on average.

    SAELens sorts out the largest of the whole batch, which takes as long as the rest of the step.
    Where the limit lies can be told from some of the rows.
    """

    def __init__(self, k: float) -> None:
        super().__init__()
        self._k = k

    def forward(self, hidden_pre: torch.Tensor) -> torch.Tensor:
        """Activations [n_rows, d_sae]; all but the largest are zero."""
        activations = hidden_pre.relu()
        some = activations.detach()[::_ROWS_PER_SAMPLE].flatten()
        kept = round(self._k * len(some) / hidden_pre.shape[-1])
        limit = some.kthvalue(len(some) - kept).values
        return activations * (activations > limit)


def train(residuals: torch.Tensor, layer: int, recipe: Recipe) -> BatchTopKTrainingSAE:
    """Train an SAE on `residuals` [n_tokens, d_model] by reconstruction alone."""
    torch.manual_seed(recipe.seed + layer)
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=recipe.d_model,
            d_sae=recipe.d_sae[layer],
            k=recipe.k[layer],
            # Features that have not fired for a while learn what the others leave.
            aux_loss_coefficient=recipe.sae_aux_loss,
            topk_threshold_lr=_THRESHOLD_RATE,
            metadata=_metadata(layer, recipe),
        )
    )
    sae.activation_fn = _BatchTopK(recipe.k[layer])
    # The usual scale: residuals of norm sqrt(d_model) on average. Folded into the weights below.
    scale = recipe.d_model**0.5 / residuals.norm(dim=1).mean().item()
    scaled = residuals * scale
    _start(sae, scaled, recipe.k[layer])
    steps = recipe.sae_samples // recipe.sae_batch
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=steps * recipe.sae_batch,
            train_batch_size_samples=recipe.sae_batch,
            lr=recipe.sae_learning_rate,
            lr_end=recipe.sae_learning_rate / 20,
            lr_warm_up_steps=steps // 20,
            lr_decay_steps=steps // 2,
            dead_feature_window=min(recipe.sae_dead_after, max(1, steps // 10)),
        ),
        sae=sae,
        data_provider=_shuffled(scaled, recipe.sae_batch, recipe.seed + layer),
    )
    sae = trainer.fit()
    sae.fold_activation_norm_scaling_factor(scale)
    return sae


@torch.no_grad()
def _start(sae: BatchTopKTrainingSAE, x: torch.Tensor, k: float) -> None:
    """Each feature begins at a residual drawn at random, less the mean; nothing is known of it.

    No two are much alike, or the commonest words would have several features each. The encoder
    looks along the same directions, at a size that fits the first reconstructions.
    """
    mean = x.mean(dim=0)
    decoder = _unlike(x[torch.randperm(len(x))] - mean, sae.cfg.d_sae)
    some = x[torch.randperm(len(x))[:_START_ROWS]] - mean
    first = _BatchTopK(k)(some @ decoder.T) @ decoder
    size = (first * some).sum() / first.pow(2).sum()
    sae.b_dec.copy_(mean)
    sae.W_dec.copy_(decoder)
    sae.W_enc.copy_(size * decoder.T)
    sae.b_enc.zero_()


def _unlike(x: torch.Tensor, n: int) -> torch.Tensor:
    """Unit vectors [n, d]: the directions of rows of `x` that are not close to an earlier one.

    Where `x` has too few of them, the rest are random.
    """
    chosen = torch.empty(0, x.shape[1])
    for part in torch.split(x, _DRAWN_AT_ONCE):
        part = torch.nn.functional.normalize(part, dim=1)
        new = part[((part @ chosen.T) <= _CLOSE).all(dim=1)]
        earlier = (new @ new.T).tril(diagonal=-1)
        chosen = torch.cat([chosen, new[(earlier <= _CLOSE).all(dim=1)]])
        if len(chosen) >= n:
            return chosen[:n]
    noise = torch.nn.functional.normalize(torch.randn(n - len(chosen), x.shape[1]), dim=1)
    return torch.cat([chosen, noise])


def save(sae: BatchTopKTrainingSAE, folder: Path) -> SAE:
    """Save in SAELens' inference format (a JumpReLU SAE) and read it back as every user will."""
    folder.mkdir(parents=True, exist_ok=True)
    sae.save_inference_model(folder)
    config = folder / "cfg.json"
    # SAELens writes its settings in an order that changes from run to run.
    config.write_text(json.dumps(json.loads(config.read_text()), indent=1, sort_keys=True) + "\n")
    return load(folder)


def load(folder: Path) -> SAE:
    """An SAE that was saved."""
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
