"""Between host and device: a step's knobs one way, in two copies; all it found back, in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from axon_inference.engine.requests import Activations
from axon_inference.engine.step import Feed, SourceRows
from axon_inference.forward.sae import Strongest
from axon_inference.forward.sampling import Knobs, seed_bits


def knobs(feeds: Sequence[Feed], device: torch.device) -> Knobs:
    """The sampling knobs of the feeds, on the device."""
    asked = [feed.sampling for feed in feeds]
    floats = torch.tensor(
        [[k.temperature, k.top_p, k.repetition_penalty] for k in asked], dtype=torch.float32
    ).to(device)
    whole = torch.tensor(
        [
            [k.top_k, seed_bits(k.seed), feed.draws or 0]
            for k, feed in zip(asked, feeds, strict=True)
        ]
    ).to(device)
    return Knobs(
        temperature=floats[:, 0],
        top_p=floats[:, 1],
        repetition_penalty=floats[:, 2],
        top_k=whole[:, 0],
        seed=whole[:, 1],
        draw=whole[:, 2],
        any_sampled=any(k.temperature > 0 for k in asked),
        any_penalty=any(k.repetition_penalty != 1 for k in asked),
        any_top_p=any(k.top_p < 1 for k in asked),
        largest_top_k=max(k.top_k for k in asked),
    )


@dataclass(frozen=True)
class Found:
    """A step's outcome on the host: one entry of the first two a feed that draws."""

    next_ids: npt.NDArray[np.int64]
    logprobs: Activations
    sources: dict[int, SourceRows]


def fetch(
    chosen: Tensor, logprobs: Tensor, features: dict[int, Strongest], rows: int, k: int
) -> Found:
    """Bring all that a step found to the host, in one copy; of the features, the first rows."""
    tensors = [chosen, logprobs]
    for best in features.values():
        tensors += [
            best.ids[:rows, :k],
            best.activations[:rows, :k],
            best.l0[:rows],
            best.error[:rows],
        ]
    next_ids, host_logprobs, *arrays = _to_host(tensors)
    return Found(
        next_ids,
        host_logprobs,
        {
            source: SourceRows(*arrays[4 * index : 4 * index + 4])
            for index, source in enumerate(features)
        },
    )


def _to_host(tensors: list[Tensor]) -> list[npt.NDArray[Any]]:
    """Integers as int32 or int64, others as float32."""
    if tensors[-1].device.type == "cpu":
        # Copies: the next step may write where these are.
        return [tensor.numpy().copy() for tensor in tensors]
    bits = [
        tensor.int() if not tensor.is_floating_point() else tensor.float().view(torch.int32)
        for tensor in tensors
    ]
    flat = torch.cat([tensor.flatten() for tensor in bits]).cpu().numpy()
    arrays, at = [], 0
    for tensor in tensors:
        part = flat[at : at + tensor.numel()].reshape(tensor.shape)
        arrays.append(part.view(np.float32) if tensor.is_floating_point() else part)
        at += tensor.numel()
    return arrays
