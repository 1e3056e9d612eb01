"""No figure is worth anything if ours and the reference do not find the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from axon_inference.engine.requests import SourceFeatures, Token

from .naive import Naive, Reference
from .ours import FEATURES, Ours

#: Features' activations may differ by so much of the largest at their position.
TOLERANCE = 2e-3


class ParityFailed(Exception):
    """Ours and the reference differ; the message says where."""


def check(ours: Ours, naive: Naive, prompts: Sequence[Sequence[int]], new: int) -> None:
    """Every prompt alone, and all of them staggered: the tokens and the strongest features are
    the reference's. Raises ParityFailed."""
    requests = [ours.request(ids, new) for ids in prompts]
    together = ours.run(requests, arriving_over=5).streams
    for index, (ids, request) in enumerate(zip(prompts, requests, strict=True)):
        expected = naive.reference(ids, new)
        _compare(f"prompt {index}, alone", ours.run([request]).streams[0], expected)
        _compare(f"prompt {index}, in company", together[index], expected)


def _compare(what: str, tokens: Sequence[Token], expected: Reference) -> None:
    ids = [token.token_id for token in tokens]
    if ids != expected.ids:
        at = next(i for i, (a, b) in enumerate(zip(ids, expected.ids, strict=False)) if a != b)
        raise ParityFailed(f"{what}: token {at} is {ids[at]}, the reference has {expected.ids[at]}")
    for position, token in enumerate(tokens[1:], start=1):  # BOS carries none
        [found] = token.source_features
        wanted = expected.feature_ids[position], expected.activations[position]
        if not features_agree(found, *wanted):
            raise ParityFailed(
                f"{what}: at position {position} the features are {found.ids.tolist()} "
                f"{found.activations.tolist()}, the reference has {wanted[0].tolist()} "
                f"{wanted[1].tolist()}"
            )


def features_agree(found: SourceFeatures, ids: torch.Tensor, activations: torch.Tensor) -> bool:
    """Whether the strongest features are these (ids and activations, falling, 0 for none).

    Of features nearly as strong as the last one, either may be among them.
    """
    bound = TOLERANCE * float(activations[0])
    values = torch.zeros(FEATURES)
    values[: len(found.activations)] = torch.from_numpy(found.activations)
    if bool(((values - activations).abs() > bound).any()):
        return False
    known = dict(zip(ids.tolist(), activations.tolist(), strict=True))
    last = float(activations[-1])
    return all(
        abs(activation - known.get(feature, last)) <= bound
        for feature, activation in zip(found.ids.tolist(), found.activations.tolist(), strict=True)
    )
