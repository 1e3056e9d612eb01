"""Every number of the recipe, in two sizes: the real one and a tiny one for tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Course:
    """One pass over new text, with new optimizers."""

    tokens: int
    matrix_rate: float  # learning rate of the blocks' matrices, by Muon
    other_rate: float  # of embeddings, head, biases and norms, by AdamW
    token_decay: float = 0.0  # weight decay of the tokens' embeddings
    text: str = "usual"  # "practice" and "revision" ask after every step what holds now


@dataclass(frozen=True)
class Recipe:
    """Sizes and training settings. Token counts are of packed rows of `context` tokens."""

    seed: int = 20261127
    threads: int = 2
    # text
    tokenizer_documents: int = 4000
    vocab_size: int = 2048
    heldout_tokens: int = 150_000  # measures everything the model card reports
    choice_tokens: int = 200_000  # chooses labels; neither trained on nor measured on
    # language model
    context: int = 256
    n_layers: int = 5
    d_model: int = 160
    n_heads: int = 5
    courses: tuple[Course, ...] = (
        Course(26_000_000, matrix_rate=0.02, other_rate=3e-3),
        # What the SAEs read is the context rather than the word where the word's part is small.
        Course(9_000_000, matrix_rate=0.01, other_rate=1.5e-3, token_decay=0.3, text="practice"),
        Course(5_000_000, matrix_rate=0.006, other_rate=1e-3, token_decay=0.3, text="revision"),
    )
    bfloat16: bool = True  # products in training: 1.6 times as fast on CPUs with AVX-512 BF16
    batch: int = 8  # rows; small, for many steps
    weight_decay: float = 0.1  # of the matrices
    position_decay: float = 0.3  # weight decay of the positions' embeddings
    question_tokens: int = 400_000  # of text with held-out combinations, to ask what it knows
    # sparse autoencoders
    # By layer. No fewer features than words, or words are made of shared pieces; and few at a
    # time, so that each has one meaning.
    d_sae: tuple[int, ...] = (1280, 2048, 2048, 2048, 2048)
    k: tuple[float, ...] = (2, 4.5, 5, 4, 4)
    sae_tokens: int = 500_000  # distinct tokens whose residuals are kept
    sae_samples: int = 900_000
    sae_batch: int = 512
    sae_learning_rate: float = 2e-3
    sae_aux_loss: float = 1.0  # weight of what features learn that do not fire
    sae_dead_after: int = 50  # steps without firing
    spliced_tokens: int = 50_000  # of the held-out text, to run with an SAE's output in them
    # causal anchors
    n_swaps: int = 200  # of each kind and layer


FULL = Recipe()
QUICK = Recipe(
    tokenizer_documents=300,
    vocab_size=900,
    courses=(
        Course(20_000, matrix_rate=0.02, other_rate=3e-3),
        Course(4_000, matrix_rate=0.01, other_rate=1.5e-3, token_decay=0.3, text="practice"),
    ),
    batch=4,
    heldout_tokens=6_000,
    choice_tokens=6_000,
    question_tokens=6_000,
    context=96,
    n_layers=2,
    d_model=32,
    n_heads=2,
    d_sae=(64, 64),
    k=(8, 8),
    sae_tokens=10_000,
    sae_samples=40_000,
    sae_batch=256,
    spliced_tokens=2_000,
    n_swaps=4,
)
