"""Where the features of each source fire in a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from axon_inference.engine.requests import Features, Sampling
from axon_inference.engine.step import Feed
from axon_inference.errors import Unservable
from axon_inference.loading.ready import Loaded

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

#: Tokens read together, each such window by itself.
WINDOW = 128
#: Characters that are tokenized at once.
_CHARACTERS = 100_000


@dataclass(frozen=True)
class Text:
    """Tokens of a text in windows, without a prepended BOS.

    Windows with an even number choose labels; the others score them.
    """

    #: The text of each token [N].
    tokens: list[str]
    #: The number of each token's window [N], ascending.
    window: Ints

    @property
    def held_out(self) -> npt.NDArray[np.bool_]:
        """Of each token whether it scores [N]."""
        odd: npt.NDArray[np.bool_] = self.window % 2 == 1
        return odd


@dataclass(frozen=True)
class Firings:
    """All activations above 0 of one source, ordered by feature and then by token."""

    #: Index of the token, of the feature, and the activation [M].
    token: Ints
    feature: Ints
    activation: Floats

    def by_feature(self) -> Iterator[tuple[int, Ints, Floats]]:
        """Each feature that fires, with its tokens (ascending) and activations there."""
        features, starts = np.unique(self.feature, return_index=True)
        ends = [*starts[1:].tolist(), len(self.feature)]
        for feature, first, end in zip(features.tolist(), starts.tolist(), ends, strict=True):
            yield feature, self.token[first:end], self.activation[first:end]


def read_text(path: Path, loaded: Loaded, most: int) -> list[list[int]]:
    """The first `most` tokens of a file, in windows of ids.

    Raises:
        ValueError: the file is no UTF-8 text, or too short to label by.
    """
    window = min(WINDOW, loaded.served.context_length - 1)
    try:
        ids = list(islice(_ids(path, loaded), most))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if len(ids) < 2 * window:
        raise ValueError(
            f"{path} has {len(ids)} tokens; at least {2 * window} are needed, half to choose "
            "labels and half to score them, and many more to get good ones"
        )
    return [ids[n : n + window] for n in range(0, len(ids), window)]


def collect(
    loaded: Loaded, windows: Sequence[Sequence[int]], tell: Any = lambda done: None
) -> tuple[Text, list[Firings]]:
    """Runs each window, and finds what fires. `tell` is called with the share that is done.

    Raises:
        Unservable: an activation is not finite.
    """
    runner, bos = loaded.runner, loaded.served.bos_id
    first = 0 if bos is None else 1
    found: list[list[tuple[Any, ...]]] = [[] for _ in loaded.served.sources]
    sampling, features, start = Sampling(temperature=0), Features(), 0
    for number, window in enumerate(windows):
        ids = [*([] if bos is None else [bos]), *window]
        with runner.working():
            runner.forward(runner.plan([Feed(0, ids, 0, sampling, features, None)]))
            for source, parts in enumerate(found):
                active = runner.tap.active(source, slice(first, len(ids)))
                token, *rest = (tensor.cpu().numpy() for tensor in active)
                parts.append((token + start, *rest))
        runner.free(0)
        start += len(window)
        tell((number + 1) / len(windows))
    firings = [_joined(parts) for parts in found]
    if not all(np.isfinite(one.activation).all() for one in firings):
        raise Unservable("some activations in this text are not finite")
    of = np.repeat(np.arange(len(windows)), [len(window) for window in windows])
    return Text([loaded.served.text(i) for window in windows for i in window], of), firings


def _ids(path: Path, loaded: Loaded) -> Iterator[int]:
    with path.open(encoding="utf-8") as file:
        while text := file.read(_CHARACTERS):
            yield from loaded.served.encode(text + file.readline())


def _joined(parts: Sequence[tuple[Any, ...]]) -> Firings:
    token, feature, activation = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((token, feature))
    return Firings(
        token[order].astype(np.int64),
        feature[order].astype(np.int64),
        activation[order].astype(np.float32),
    )
