"""An SAE's arithmetic on the token path: encode, and how much of a vector the SAE misses.

SAELens' own `encode` and `decode` are right for every architecture and are what the fast paths
here are tested against. The fast paths use that the weights are fixed (so they can be packed, and
nothing is computed from them in every step) and that few features are active (so a reconstruction
needs few rows of the decoder).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, linear

from axon_inference.forward import prepack

Encode = Callable[[Tensor], Tensor]
# From a weight [width, d_in] and a bias [width] to the function that applies them.
Layer = Callable[[Tensor, Tensor | None], Encode]

# Beyond this many active features a dense product is as fast as gathering rows.
_SPARSE = 512
# The most bytes of one [rows, width] tensor. Larger parts would not be read any faster.
_AT_ONCE = 256 << 20
# How many such tensors there are at once: 4 in the worst case (matching pursuit), and some room.
_TENSORS = 5


class PackingError(ValueError):
    """This machine multiplies by packed weights in another way than by plain ones."""


def rows_at_once(width: int, itemsize: int) -> int:
    """How many vectors are encoded together by an SAE with so many features."""
    return max(1, _AT_ONCE // (width * itemsize))


def most_bytes(width: int, rows: int, itemsize: int = 4) -> int:
    """The memory that it takes to encode `rows` vectors and to measure what the SAE misses."""
    return _TENSORS * min(rows, rows_at_once(width, itemsize)) * width * itemsize


def encoder(sae: Any) -> Encode:
    """x [R, d_in] to activations [R, width], by packed weights where that is possible.

    If they are packed, the SAE gives up its plain encoder weight, and only this function encodes.

    Raises:
        PackingError: packed weights give other results than plain ones.
    """
    make = _FAST.get(sae.cfg.architecture())
    if make is None or sae.cfg.reshape_activations != "none":
        found: Encode = sae.encode
        return found
    if not prepack.available(sae.W_enc.device, sae.W_enc.dtype):
        return make(sae, _plain)
    encode = make(sae, _packed)
    sae.W_enc = nn.Parameter(sae.W_enc.new_empty(0), requires_grad=False)
    prepack.unmap(sae)
    return encode


def _plain(weight: Tensor, bias: Tensor | None) -> Encode:
    return partial(linear, weight=weight, bias=bias)


def _packed(weight: Tensor, bias: Tensor | None) -> Encode:
    packed = prepack.PackedLinear(weight, bias)
    some = weight[:3]
    found, wanted = packed(some).float(), linear(some, weight, bias).float()
    bound = (1e-4 if weight.dtype == torch.float32 else 2e-2) * wanted.abs().max()
    if not bool(((found - wanted).abs() <= bound).all()):
        raise PackingError(
            "packed weights of an SAE give other features than plain ones on this CPU, so they "
            "would be served wrong. Please report it with this machine's CPU and torch's version"
        )
    return packed


def _standard(sae: Any, layer: Layer) -> Encode:
    product = layer(sae.W_enc.t(), sae.b_enc)

    def encode(x: Tensor) -> Tensor:
        found: Tensor = sae.activation_fn(product(sae.process_sae_in(x)))
        return found

    return encode


def _jumprelu(sae: Any, layer: Layer) -> Encode:
    product = layer(sae.W_enc.t(), sae.b_enc)

    def encode(x: Tensor) -> Tensor:
        before = product(sae.process_sae_in(x))
        found: Tensor = sae.activation_fn(before) * (before > sae.threshold)
        return found

    return encode


def _gated(sae: Any, layer: Layer) -> Encode:
    product = layer(sae.W_enc.t(), None)
    magnitude = sae.r_mag.exp()

    def encode(x: Tensor) -> Tensor:
        shared = product(sae.process_sae_in(x))
        found: Tensor = sae.activation_fn(shared * magnitude + sae.b_mag)
        return found.mul_(shared + sae.b_gate > 0)

    return encode


def _topk(sae: Any, layer: Layer) -> Encode:
    product = layer(sae.W_enc.t(), sae.b_enc)
    scale = sae.W_dec.norm(dim=-1) if sae.cfg.rescale_acts_by_decoder_norm else None

    def encode(x: Tensor) -> Tensor:
        before = product(sae.process_sae_in(x))
        if scale is not None:
            before = before * scale
        values, ids = strongest(before, sae.cfg.k)
        return torch.zeros_like(before).scatter_(-1, ids, values.relu())

    return encode


_FAST = {"standard": _standard, "jumprelu": _jumprelu, "gated": _gated, "topk": _topk}


def strongest(activations: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """torch.topk over the last dimension of [R, width], several times faster for few of many.

    The k largest lie in the k groups whose maxima are largest: were one in another group, k
    group maxima would exceed it. So only those groups are searched.
    """
    rows, width = activations.shape
    group = _group_size(width, k)
    if group == 1:
        found = activations.topk(min(k, width), -1)
        return found.values, found.indices
    columns = width // group
    # Group j holds the features j, j + columns, j + 2 columns ...: maxima of whole rows.
    grouped = activations.view(rows, group, columns)
    best = grouped.amax(1).topk(k, -1, sorted=False).indices  # [R, k] groups
    candidates = grouped.gather(2, best[:, None].expand(-1, group, -1)).flatten(1)
    values, at = candidates.topk(k, -1)
    within = at // k
    return values, within * columns + best.gather(1, at - within * k)


def _group_size(width: int, k: int) -> int:
    """1 where grouping does not pay: the candidates should be few against the width."""
    for group in (32, 16, 8):
        if width % group == 0 and width // group >= 4 * k and width >= 4096:
            return group
    return 1


class Reconstruction:
    """|x - x_hat|^2 / |x|^2 of an SAE."""

    def __init__(self, sae: Any) -> None:
        self._sae = sae
        architecture = sae.cfg.architecture()
        rescaled = getattr(sae.cfg, "rescale_acts_by_decoder_norm", False)
        self._gathers = (
            architecture in _FAST
            and not rescaled
            and sae.cfg.reshape_activations == "none"
            and sae.W_dec.device.type == "cpu"  # elsewhere the choice would wait for the device
        )

    def candidates(self, most_active: int) -> int:
        """How many of the strongest features `error` wants to see; 0 means all activations."""
        return most_active if self._gathers and most_active <= _SPARSE else 0

    def error(self, x: Tensor, activations: Tensor) -> Tensor:
        """The share missed [R], from all activations [R, width]."""
        return _share(x, self._sae.decode(activations))

    def error_of_few(self, x: Tensor, ids: Tensor, values: Tensor) -> Tensor:
        """The same from the ids and activations [R, k] of all active features."""
        sae = self._sae
        summed = embedding_bag(ids, sae.W_dec, mode="sum", per_sample_weights=values)
        return _share(x, sae.run_time_activation_norm_fn_out(summed + sae.b_dec))


def _share(x: Tensor, x_hat: Tensor) -> Tensor:
    missed = (x - x_hat).float().square().sum(-1)
    return missed / x.float().square().sum(-1).clamp_min(1e-12)
