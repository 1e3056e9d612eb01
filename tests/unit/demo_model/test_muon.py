"""Steps of orthogonalised momentum."""

import pytest
import torch
from demo_model.muon import Muon, orthogonal
from torch import nn


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("shape", [(2, 16, 16), (2, 16, 48), (2, 48, 16)])
def test_singular_values_come_near_one(shape: tuple[int, ...]) -> None:
    x = noise(*shape) * torch.tensor([1e-3, 1e3])[:, None, None]
    values = torch.linalg.svdvals(orthogonal(x))
    assert values.max() < 1.3
    assert values.median() > 0.6
    # Directions stay: the same as of x's own singular vectors with values of about one.
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    assert nn.functional.cosine_similarity(
        orthogonal(x).flatten(1), (u @ v).flatten(1)
    ).min() > 0.9  # fmt: skip


def stepped(start: torch.Tensor, gradient: torch.Tensor, weight_decay: float = 0) -> torch.Tensor:
    parameter = nn.Parameter(start.clone())
    parameter.grad = gradient
    Muon([parameter], lr=0.1, weight_decay=weight_decay).step()
    return parameter.detach()


def test_queries_keys_and_values_are_three_matrices() -> None:
    start, gradient = noise(8, 24), noise(8, 24)
    gradient[:, 8:] *= 100
    alone = [stepped(start[:, n : n + 8], gradient[:, n : n + 8]) for n in (0, 8, 16)]
    torch.testing.assert_close(stepped(start, gradient), torch.cat(alone, dim=1))


def test_matrices_decay_towards_zero_and_follow_the_slope() -> None:
    start = noise(8, 8)
    still = stepped(start, torch.zeros(8, 8), weight_decay=0.5)
    torch.testing.assert_close(still, start * 0.95)
    assert ((stepped(start, noise(8, 8)) - start) * noise(8, 8)).sum() < 0
