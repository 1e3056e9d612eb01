"""What may follow a token: the likeliest next ones, and the log-probability of the known one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from axon_inference.engine.step import Feed, Following

# The most bytes of logits in float32 at once.
_AT_ONCE = 64 << 20


class Scores(NamedTuple):
    """Of M tokens: ids and log-probabilities of the likeliest next tokens [M, n], and the
    log-probability of a given one [M]."""

    ids: Tensor
    logprobs: Tensor
    known: Tensor


def score(logits: Tensor, next_ids: Tensor, n: int) -> Scores:
    """The scores of logits [M, vocabulary]; NaN where a row's are not finite."""
    logits = logits.float()
    total = logits.logsumexp(-1, keepdim=True)
    best = logits.topk(min(n, logits.shape[-1]), -1)
    known = logits.gather(-1, next_ids[:, None]) - total
    return Scores(best.indices, best.values - total, known.squeeze(-1))


def score_in_parts(
    head: Callable[[Tensor], Tensor], rows: Tensor, next_ids: Tensor, vocabulary: int, n: int
) -> Scores:
    """The scores of these batch rows [M]; `head` gives the logits of some of them."""
    size = max(1, _AT_ONCE // (4 * vocabulary))
    parts = [
        score(head(some), known, n)
        for some, known in zip(torch.split(rows, size), torch.split(next_ids, size), strict=True)
    ]
    return parts[0] if len(parts) == 1 else Scores(*map(torch.cat, zip(*parts, strict=True)))


class Head:
    """A network's own way from its body's output to logits, whatever the family does there.

    The network runs with a body that returns what the real one has found.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._name: str = network.base_model_prefix

    def run_body(self, inputs: dict[str, Any]) -> Any:
        """The body's output, for `logits`."""
        return self._network.base_model(**inputs)

    def logits(self, output: Any, inputs: dict[str, Any], rows: Tensor) -> Tensor:
        """Logits [len(rows), vocabulary] after these batch rows."""
        with self._answering(output):
            logits: Tensor = self._network(**inputs, logits_to_keep=rows).logits
        return logits[0]

    @contextmanager
    def _answering(self, output: Any) -> Iterator[None]:
        body = getattr(self._network, self._name)
        setattr(self._network, self._name, _Answer(output))
        try:
            yield
        finally:
            setattr(self._network, self._name, body)


class _Answer(nn.Module):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self._output = output

    def forward(self, *_: Any, **__: Any) -> Any:
        return self._output


def told(
    feeds: Sequence[Feed],
    ids: npt.NDArray[Any],
    logprobs: npt.NDArray[np.float32],
    known: npt.NDArray[np.float32],
) -> tuple[Following, list[bool]]:
    """The scores on the host as a step's result, and whether all of each feed's are finite."""
    offsets, finite, row = [], [], 0
    finite_rows = np.isfinite(known)
    for feed in feeds:
        asks = feed.alternatives is not None
        offsets.append(row if asks else -1)
        end = row + len(feed.ids) * asks
        finite.append(bool(finite_rows[row:end].all()))
        if asks and feed.next_id is None:
            known[end - 1] = np.nan
        row = end
    return Following(offsets, ids, logprobs, known), finite
