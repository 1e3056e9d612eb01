"""The Muon optimizer for a model's matrices: steps of orthogonalised momentum.

torch has one of its own; it multiplies in bfloat16, one matrix at a time, which ordinary CPUs have
no instructions for: 20 times slower than this one.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

_MOMENTUM = 0.95
_ITERATIONS = 5
_A, _B, _C = 3.4445, -4.7750, 2.0315  # Keller Jordan's polynomial of the Newton-Schulz iteration
_SMALLEST = 1e-7


class Muon(torch.optim.Optimizer):
    """For matrices [inputs, outputs]; one that is a whole multiple wide is cut into square ones
    where it is several in one (GPT-2's queries, keys and values)."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix by its orthogonalised momentum."""
        for group in self.param_groups:
            parts = [part for p in group["params"] for part in self._parts(p)]
            for alike in _by_shape(parts):
                _move(alike, group["lr"], group["weight_decay"])

    def _parts(self, p: nn.Parameter) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Each matrix with what it is to be moved along."""
        assert p.grad is not None
        state: dict[str, Any] = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        momentum: torch.Tensor = state["momentum"]
        momentum.lerp_(p.grad, 1 - _MOMENTUM)
        ahead = p.grad.lerp(momentum, _MOMENTUM)
        n = 3 if p.shape[1] == 3 * p.shape[0] else 1
        yield from zip(p.chunk(n, dim=1), ahead.chunk(n, dim=1), strict=True)


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """The nearest matrices [n, rows, columns] whose singular values are all about one."""
    tall = x.shape[1] > x.shape[2]
    x = (x.mT if tall else x).contiguous()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_SMALLEST)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x


def _by_shape(
    parts: list[tuple[torch.Tensor, torch.Tensor]],
) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
    shapes: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for part in parts:
        shapes.setdefault(part[0].shape, []).append(part)
    return list(shapes.values())


def _move(parts: list[tuple[torch.Tensor, torch.Tensor]], rate: float, weight_decay: float) -> None:
    """Matrices of one shape, together."""
    steps = orthogonal(torch.stack([ahead for _, ahead in parts]))
    inputs, outputs = parts[0][0].shape
    scale = max(1.0, outputs / inputs) ** 0.5
    for (matrix, _), step in zip(parts, steps, strict=True):
        matrix.mul_(1 - rate * weight_decay).add_(step, alpha=-rate * scale)
