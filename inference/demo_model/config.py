"""Every number of the recipe, in two sizes: the real one and a tiny one for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Course:
    """One pass of language model training over new text."""

    tokens: int
    learning_rate: float
    # On what the blocks add to the token embeddings, so that few features can explain it:
    absolute_penalty: float = 0.0  # on its squared size after the last block
    relative_penalty: float = 0.0  # on that as a share of the embedding's, mean over blocks
    weight_decay: float = 0.05
    batch: int = 4  # rows; small, for many steps: facts are learned late
    revision: bool = False  # more text about what is hard to learn


@dataclass(frozen=True)
class Recipe:
    """Sizes and training settings. Token counts are of packed rows of `context` tokens."""

    seed: int = 20261122
    threads: int = 2
    # text
    vocab_size: int = 3072
    heldout_tokens: int = 150_000  # measures everything the model card reports
    choice_tokens: int = 200_000  # chooses labels; neither trained on nor measured on
    # language model
    context: int = 256
    n_layers: int = 4
    d_model: int = 128
    n_heads: int = 4
    courses: tuple[Course, ...] = (
        Course(tokens=5_500_000, learning_rate=2e-3, absolute_penalty=0.003),
        Course(tokens=1_000_000, learning_rate=1e-3, relative_penalty=2.0, revision=True),
    )
    # sparse autoencoders
    d_sae: int = 2048
    k: tuple[float, ...] = (23.5, 12, 14, 23.7)  # by layer, as much as each needs
    sae_tokens: int = 500_000  # distinct tokens whose residuals are kept
    sae_samples: tuple[int, ...] = (800_000, 500_000, 900_000, 2_300_000)  # by layer
    sae_batch: int = 1024
    sae_learning_rate: float = 2e-3


FULL = Recipe()
QUICK = Recipe(
    vocab_size=600,
    courses=(Course(tokens=20_000, learning_rate=2e-3, relative_penalty=1.0),),
    heldout_tokens=6_000,
    choice_tokens=6_000,
    context=64,
    n_layers=2,
    d_model=32,
    n_heads=2,
    d_sae=64,
    k=(8, 8),
    sae_tokens=10_000,
    sae_samples=(40_000, 40_000),
    sae_batch=256,
)
