"""Weights laid out once, at start-up, as the CPU's matrix multiplication reads them.

A plain linear layer with 2 to 32 rows makes oneDNN or MKL rearrange the whole weight at every
call, which costs more than the multiplication. Rearranged beforehand, a step of a dozen rows
takes about as long as one of a single row: the time to read the weights from memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

# What the rearranged form is optimised for; it is right for any number of rows.
_ROWS = 16
# Rows kept in plain form, of each layer.
_REMEMBERED = 4096


def available(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this machine's torch can multiply by rearranged weights.

    In bfloat16 oneDNN needs AVX-512 or AVX-NE-CONVERT, and refuses other CPUs.
    """
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and (
            dtype == torch.float32
            or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
        )
    )


class PackedLinear(nn.Module):
    """x W^T + b with W rearranged; the original weight is not kept.

    Args:
        weight: [d_out, d_in].
        bias: [d_out] or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        self._rows: dict[int, Tensor] = {}
        # Not a buffer: opaque to everything but the one operation that reads it.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), _ROWS)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_in] to [..., d_out]."""
        if torch.is_grad_enabled() and x.requires_grad:
            differentiable: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
            return differentiable
        return self.product(x)

    def product(self, x: Tensor) -> Tensor:
        """The same without autograd."""
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self.bias, "none", [], ""
        )
        return found

    def rows(self, features: list[int]) -> Tensor:
        """Some rows of the weight [n, d_in]. For those not kept from earlier, all is unpacked."""
        if any(feature not in self._rows for feature in features):
            if len(self._rows) + len(features) > _REMEMBERED:
                self._rows.clear()
            weight = self.weight
            self._rows |= {feature: weight[feature].clone() for feature in features}
        return torch.stack([self._rows[feature] for feature in features])

    @property
    def weight(self) -> Tensor:
        """The weight [d_out, d_in], unpacked for this call."""
        plain: Tensor = self._packed.to_dense()
        return plain


class _Product(torch.autograd.Function):
    """A packed layer's product, of which gradients with respect to its input can be asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: PackedLinear) -> Tensor:
        ctx.layer = layer
        return layer.product(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] @ ctx.layer.weight, None


def prepack(network: nn.Module) -> None:
    """Replace every linear layer of a network in place.

    Layers of derived classes stay: they may compute something else. A head that shares its weight
    with the token embedding is packed too, and the embedding keeps the plain form, as rows are
    looked up in it.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child.weight, child.bias))
            elif type(child) is Conv1D:
                setattr(module, name, PackedLinear(child.weight.t(), child.bias))
    unmap(network)


def fuse(network: nn.Module) -> None:
    """Replace activations of a network in place by equal ones that take one pass, not eight."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is NewGELUActivation:
                setattr(module, name, nn.GELU(approximate="tanh"))


def unmap(module: nn.Module) -> None:
    """Copy parameters that a file is mapped for, so that the packed ones' part of it is freed."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
