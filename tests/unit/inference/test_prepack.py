"""Packing replaces the layers that it knows, and leaves all others unchanged."""

from __future__ import annotations

import weakref

import pytest
import torch
from axon_inference.model import prepack
from axon_inference.model.prepack import PackedLinear
from torch import Tensor, nn
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D


class Scaled(nn.Linear):
    """A linear layer that computes something else than its base class."""

    def forward(self, input: Tensor) -> Tensor:
        return 3 * super().forward(input)


class Shifted(Conv1D):  # type: ignore[misc]
    """The same for GPT-2's kind of linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = super().forward(x)
        return found + 1


class Harder(NewGELUActivation):  # type: ignore[misc]
    """The same for an activation."""

    def forward(self, input: Tensor) -> Tensor:
        found: Tensor = super().forward(input)
        return 2 * found


def test_a_packed_network_computes_what_the_plain_one_does() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(8, 8),
        Scaled(8, 8),
        NewGELUActivation(),
        Harder(),
        Conv1D(8, 8),
        Shifted(8, 8),
        nn.Sequential(nn.Linear(8, 4, bias=False)),
    )
    x = torch.randn(3, 8)
    with torch.no_grad():
        want = network(x)
        prepack.prepack(network)
        prepack.fuse(network)
        torch.testing.assert_close(network(x), want, atol=1e-5, rtol=1e-5)
    kinds = [type(module) for module in network if not isinstance(module, nn.Sequential)]
    assert kinds == [PackedLinear, Scaled, nn.GELU, Harder, PackedLinear, Shifted]


def test_no_two_copies_of_all_weights_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(*(nn.Linear(8, 8) for _ in range(5)))
    plain = [weakref.ref(layer.weight) for layer in network]
    there: list[int] = []

    class Counting(PackedLinear):
        def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
            there.append(sum(weight() is not None for weight in plain))
            super().__init__(weight, bias)

    prepack.prepack(network, Counting)
    assert there == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("able", [True, False])
def test_bfloat16_is_packed_where_the_cpu_can_multiply_it(
    monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    assert prepack.available(torch.device("cpu"), torch.bfloat16) is able
    assert prepack.available(torch.device("cpu"), torch.float32)
    assert not prepack.available(torch.device("cpu"), torch.float16)
