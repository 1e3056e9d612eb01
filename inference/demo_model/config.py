"""Every number of the recipe, in two sizes: the real one and a tiny one for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Sizes and training settings. Token counts are of packed rows of `context` tokens."""

    seed: int = 20261122
    threads: int = 2
    # text
    vocab_size: int = 3072
    train_tokens: int = 8_000_000
    heldout_tokens: int = 150_000  # measures everything the model card reports
    choice_tokens: int = 200_000  # chooses labels; neither trained on nor measured on
    # language model
    context: int = 256
    n_layers: int = 4
    d_model: int = 128
    n_heads: int = 4
    lm_batch: int = 4  # rows; small, for many steps: facts are learned late
    lm_learning_rate: float = 2e-3
    lm_weight_decay: float = 0.05
    lm_residual_penalty: float = 0.5  # on what the blocks add to the embeddings
    # sparse autoencoders
    d_sae: int = 2048
    k: int = 20
    sae_tokens: int = 1_000_000  # distinct tokens whose residuals are kept
    sae_samples: int = 1_000_000  # residuals seen in training, so several epochs
    sae_batch: int = 512
    sae_learning_rate: float = 1e-3


FULL = Recipe()
QUICK = Recipe(
    vocab_size=600,
    train_tokens=20_000,
    heldout_tokens=6_000,
    choice_tokens=6_000,
    context=64,
    n_layers=2,
    d_model=32,
    n_heads=2,
    d_sae=64,
    k=8,
    sae_tokens=10_000,
    sae_samples=40_000,
    sae_batch=256,
)
