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
# Layers that compute what they are named after, and no more. Those of derived classes may not.
_LINEAR = (nn.Linear, Conv1D)


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
        self._packed = self._pack(weight.detach().contiguous())

    def _pack(self, weight: Tensor) -> Any:
        return torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)

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


class HalfLinear(PackedLinear):
    """The same with W rounded to float16, so that half as much is read. Vectors, products and sums
    are float32. FBGEMM multiplies, which torch has for x86-64 with AVX2."""

    def _pack(self, weight: Tensor) -> Any:
        return torch.ops.quantized.linear_prepack_fp16(weight, self.bias)

    def product(self, x: Tensor) -> Tensor:
        """The same without autograd."""
        found: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self._packed)
        return found

    @property
    def weight(self) -> Tensor:
        """The rounded weight [d_out, d_in] in float32, unpacked for this call."""
        plain: Tensor = torch.ops.quantized.linear_unpack_fp16(self._packed)[0]
        return plain


def can_halve(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this machine's torch can multiply float32 vectors by float16 weights."""
    return device.type == "cpu" and dtype == torch.float32 and _has_fbgemm()


def _has_fbgemm() -> bool:
    return "fbgemm" in torch.backends.quantized.supported_engines


def form(
    device: torch.device, dtype: torch.dtype, weights: torch.dtype
) -> type[PackedLinear] | None:
    """How a model of `dtype` keeps its layers' `weights`; None: as transformers loaded them."""
    if weights != dtype:
        return HalfLinear
    return PackedLinear if available(device, dtype) else None


def layers(network: nn.Module) -> list[tuple[nn.Module, str, nn.Linear | Any]]:
    """Every linear layer of a network that can be packed: its parent, its name there, and itself.

    Layers of derived classes are left out: they may compute something else.
    """
    return [
        (module, name, child)
        for module in network.modules()
        for name, child in module.named_children()
        if type(child) in _LINEAR
    ]


def prepack(network: nn.Module, kind: type[PackedLinear] = PackedLinear) -> None:
    """Replace every linear layer of a network in place.

    A head that shares its weight with the token embedding is packed too, and the embedding keeps
    the plain form, as rows are looked up in it.
    """
    left = layers(network)
    while left:  # each plain weight is freed before the next is packed
        module, name, layer = left.pop()
        weight = layer.weight.t() if type(layer) is Conv1D else layer.weight
        setattr(module, name, kind(weight, layer.bias))
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
