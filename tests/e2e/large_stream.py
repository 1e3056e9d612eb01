"""A made-up generation at the size of a real model's stream: 500 features in every source.

Every token has a theme, and a theme owns five features in every source, which fire together. Five
more features fire at every generated token. So 99 themes and four sources give 2,000 features,
and far more than 4,000 pairs that fire together.
"""

import random
from collections.abc import Iterator

from .fake_stream import Frame, finished

MODEL = "axon-large"
OWNED = 5
TOPICS = [
    "rivers", "bridges", "music", "harvest", "planets", "law", "bread", "islands", "machines",
    "poetry", "winter", "trade", "birds", "medicine", "colours", "railways", "gardens", "numbers",
    "kings", "weather", "letters", "mountains", "games", "glass", "dreams", "oceans", "markets",
    "schools", "forests", "fire", "maps", "theatre", "clocks",
]  # fmt: skip
ASPECTS = ["{}", "the history of {}", "talk about {}"]
THEMES = [aspect.format(topic) for aspect in ASPECTS for topic in TOPICS]
PER_SOURCE = len(THEMES) * OWNED + OWNED
OF_A_THEME = ["{}", "{}, named", "{} are due", "{} in a list", None]
COMMON = ["text goes on", "mid-sentence", "English prose", "short words", "after a space"]


def source_ids(count: int) -> list[str]:
    """The sources' ids, lowest layer first."""
    return [f"{MODEL}/{layer}-res" for layer in range(count)]


def _features(theme: int, layer: int, source: str, draw: random.Random) -> list[Frame]:
    """One token's features in one source, strongest first: the theme's, common and random ones."""
    level = 4.0 + 2.5 * layer
    found: list[tuple[int, str | None, float]] = []
    for rank, pattern in enumerate(OF_A_THEME):
        label = None if pattern is None else pattern.format(THEMES[theme])
        found.append((OWNED * theme + rank, label, draw.uniform(0.6, 1.0) * 0.85**rank))
    for rank, label in enumerate(COMMON):
        found.append((OWNED * len(THEMES) + rank, label, draw.uniform(0.1, 0.3)))
    for stray in draw.sample(range(len(THEMES)), 5):
        found.append((OWNED * stray + draw.randrange(OWNED), None, draw.uniform(0.03, 0.1)))
    strengths = {index: (label, strength) for index, label, strength in reversed(found)}
    return [
        {
            "id": index,
            **({} if label is None else {"label": label}),
            "activation": round(level * strength, 2),
            "layer": layer,
            "source": source,
        }
        for index, (label, strength) in sorted(strengths.items(), key=lambda row: -row[1][1])
    ]


def _themes(draw: random.Random) -> Iterator[int]:
    """All themes in random order, again and again: all features fire in the first 99 tokens."""
    while True:
        yield from draw.sample(range(len(THEMES)), len(THEMES))


def generation(tokens: int, sources: int = 4, seed: int = 1) -> Iterator[Frame]:
    """The frames of a generation of `tokens` tokens, without `seq`; a seed gives the same again."""
    draw = random.Random(seed)
    ids = source_ids(sources)
    yield {
        "type": "started",
        "model": MODEL,
        "sources": ids,
        "params": {"max_tokens": tokens, "seed": str(seed), "feat_k": 15},
        "prompt": "Tell me about",
        "prompt_tokens": 1,
    }
    yield {"type": "prompt", "tokens": [{"token": "<s>", "position": 0, "features": []}]}
    for step, theme in zip(range(tokens), _themes(draw), strict=False):
        features = [
            feature
            for layer, source in enumerate(ids)
            for feature in _features(theme, layer, source, draw)
        ]
        yield {
            "type": "token",
            "token": f" {TOPICS[theme % len(TOPICS)]}",
            "step": step,
            "position": step + 1,
            "logprob": -0.5,
            "features": features,
        }
    yield finished("length", 1, tokens)
