"""Checks that Axon and the reference give the same results; else no figure has a meaning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from axon_inference.engine.events import Token
from axon_inference.engine.step import SourceFeatures

from .naive import Naive, Reference
from .ours import FEATURES, Ours

#: Activations may differ by this share of the largest one at their position.
TOLERANCE = 2e-3


class ParityFailed(Exception):
    """Ours and the reference differ; the message says where."""


def check(ours: Ours, naive: Naive, prompts: Sequence[Sequence[int]], new: int) -> None:
    """Compares tokens and strongest features with the reference, for each prompt alone and for all
    prompts staggered. Raises ParityFailed."""
    requests = [ours.request(ids, new) for ids in prompts]
    together = ours.run(requests, arriving_over=5).streams
    for index, (ids, request) in enumerate(zip(prompts, requests, strict=True)):
        expected = naive.reference(ids, new)
        _compare(f"prompt {index}, alone", ours.run([request]).streams[0], expected)
        _compare(f"prompt {index}, in a batch", together[index], expected)


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
                f"{what}: at position {position} the features are {found.ids} "
                f"{found.activations}, the reference has {wanted[0].tolist()} "
                f"{wanted[1].tolist()}"
            )


def features_agree(found: SourceFeatures, ids: torch.Tensor, activations: torch.Tensor) -> bool:
    """Whether the strongest features are these, within TOLERANCE.

    `ids` and `activations` are in falling order; an activation of 0 means no feature. A feature
    nearly as strong as the last one may take its place.
    """
    bound = TOLERANCE * float(activations[0])
    values = torch.zeros(FEATURES)
    values[: len(found.activations)] = torch.tensor(found.activations)
    if bool(((values - activations).abs() > bound).any()):
        return False
    known = dict(zip(ids.tolist(), activations.tolist(), strict=True))
    last = float(activations[-1])
    return all(
        abs(activation - known.get(feature, last)) <= bound
        for feature, activation in zip(found.ids, found.activations, strict=True)
    )
