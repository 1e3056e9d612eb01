"""SAEs as they run here: from vectors at a hook point to their strongest features.

SAELens reads every release and defines what its features are; tests compare with its `encode` and
`decode`. What runs is this module. All that follows from the weights alone is computed once, at
load, and the encoder is kept in the form by which this machine multiplies fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, linear

from axon_inference.errors import Unservable
from axon_inference.model import prepack

# Beyond this many active features a dense product is as fast as gathering rows.
_SPARSE = 512
# The most bytes of one [rows, width] tensor. Larger parts would not be read any faster.
_AT_ONCE = 256 << 20
# The most such tensors there are at once, with some room.
_TENSORS = 5
_Layer = nn.Linear | prepack.PackedLinear


class PackingError(Unservable):
    """This machine multiplies by packed weights in another way than by plain ones."""


class Strongest(NamedTuple):
    """The strongest features of R rows: ids and activations [R, k] in falling order, l0 and
    reconstruction error [R]."""

    ids: Tensor
    activations: Tensor
    l0: Tensor
    error: Tensor

    def first(self, rows: int, k: int) -> Strongest:
        """The first k features of the first rows."""
        ids, activations = self.ids[:rows, :k], self.activations[:rows, :k]
        return Strongest(ids, activations, self.l0[:rows], self.error[:rows])


class Some(NamedTuple):
    """Weights of F features: their indices, the encoder's columns [F, d_in], biases, what else
    there is of each, and the decoder's rows [F, d_out]."""

    features: Tensor
    reads: Tensor
    bias: Tensor | None
    each: tuple[Tensor, ...]
    writes: Tensor


def rows_at_once(width: int, itemsize: int) -> int:
    """How many vectors are encoded together by an SAE with so many features."""
    return max(1, _AT_ONCE // (width * itemsize))


def most_bytes(width: int, rows: int, itemsize: int = 4) -> int:
    """The memory that it takes to encode `rows` vectors and to measure what the SAE misses."""
    return _TENSORS * min(rows, rows_at_once(width, itemsize)) * width * itemsize


class SAE(nn.Module):
    """One SAE of `width` features over vectors of length `d_in`, with weights of `dtype`.

    Its decoder writes vectors of length `d_out`. Of an SAE these should be the vectors that it
    reads. If it `transcodes`, they should be others: what the model's MLP makes of those.

    The two products and the activations are of `dtype`. What is done to vectors before and after
    is float32 at least, and so is all that is folded.

    Args:
        theirs: the SAE in SAELens. It loses its weights to this one.
        dtype: of its weights here; None leaves them as they are.
        centers: whether the mean of a vector is subtracted first, as in the model it was trained
            on; of one that transcodes, of the vectors that it reads and of those it should write.

    Raises:
        PackingError: packed weights give other results than plain ones.
    """

    def __init__(
        self,
        theirs: Any,
        centers: tuple[bool, bool] = (False, False),
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.width, self.d_in = int(theirs.cfg.d_sae), int(theirs.cfg.d_in)
        self.transcodes = hasattr(theirs.cfg, "d_out")
        self.d_out = int(theirs.cfg.d_out) if self.transcodes else self.d_in
        self.dtype: torch.dtype = dtype or theirs.W_dec.dtype
        self._wide = torch.promote_types(self.dtype, torch.float32)
        self._centers, self._centers_wanted = centers
        self._normalize = theirs.cfg.normalize_activations
        self._shifts = bool(theirs.cfg.apply_b_dec_to_input)
        self._fold(theirs.to(self._wide))
        self.b_dec = _fixed(theirs.b_dec.clone())
        self._take(theirs.to(self.dtype))
        self.W_dec = _fixed(theirs.W_dec)
        #: What a skip transcoder adds of the vector that it reads, as it is.
        self.skip = _layer(theirs.W_skip, None) if hasattr(theirs, "W_skip") else None
        if self.W_dec.device.type == "cpu":
            prepack.unmap(self)

    def _fold(self, theirs: Any) -> None:
        """Fold the norms of the decoder's rows into the encoder, as Neuronpedia does."""
        theirs.fold_W_dec_norm()

    def _take(self, theirs: Any) -> None:
        """Take what encodes."""
        self.product: _Layer = _layer(theirs.W_enc.t(), theirs.b_enc)
        theirs.W_enc = _fixed(theirs.W_enc.new_empty(0))

    def _activations(self, z: Tensor) -> Tensor:
        """All activations [R, width], of vectors as the encoder reads them."""
        return self._activate(self.product(z), *self._each())

    def _each(self) -> tuple[Tensor, ...]:
        """What there is of each feature beside its column, bias and row, each [width]."""
        return ()

    def _activate(self, product: Tensor, *each: Tensor) -> Tensor:
        """Activations of features, from their products with the vectors, which it changes."""
        return product.relu_()

    def some(self, features: Tensor) -> Some:
        """The weights of some features [F]."""
        bias = self.product.bias
        return Some(
            features,
            self.reads(features),
            None if bias is None else bias[features],
            tuple(every[features] for every in self._each()),
            self.writes(features),
        )

    def _read_some(self, z: Tensor, some: Some) -> Tensor:
        """Activations [R, F] of some features, at the price of these alone where possible."""
        return self._activate(linear(z, some.reads, some.bias), *some.each)

    def _active(self, z: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The strongest activations in falling order and their ids [R, k or more], and how many
        are active [R]. Where active ones may be missing in these, all activations, else None."""
        every = self._activations(z)
        l0 = (every > 0).sum(-1)
        # To look at l0 would be to wait for a GPU.
        most = int(l0.max()) if l0.device.type == "cpu" else self.width
        values, ids = strongest(every, min(max(k, most) if most <= _SPARSE else k, self.width))
        return values, ids, l0, every if most > values.shape[-1] else None

    def read(self, vectors: Tensor, k: int, wanted: Tensor | None = None) -> Strongest:
        """The k strongest features, at most all that can be active, of vectors [R, d_in]; errors
        are those against `wanted` [R, d_out], or without it against the vectors.

        Many rows are read in parts, so that the memory it takes has a bound.
        """
        size = rows_at_once(self.width, self.dtype.itemsize)
        parts = torch.split(vectors, size)
        targets = parts if wanted is None else torch.split(wanted, size)
        found = [self._read(*rows, k) for rows in zip(parts, targets, strict=True)]
        if len(found) == 1:
            return found[0]
        return Strongest(*map(torch.cat, zip(*found, strict=True)))

    def _read(self, vectors: Tensor, wanted: Tensor, k: int) -> Strongest:
        x = self._centered(vectors.to(self._wide))
        z, scale, mean = self._enter(x)
        values, ids, l0, every = self._active(z.to(self.dtype), k)
        if every is None:
            y = embedding_bag(ids, self.W_dec, mode="sum", per_sample_weights=values)
        else:
            y = every @ self.W_dec
        y = y.to(self._wide) + self.b_dec
        if scale is not None:
            y = y * scale
        if mean is not None:
            y = y + mean
        if self.skip is not None:
            y = y + self.skip(x.to(self.dtype))
        if wanted is not vectors:
            x = wanted.to(self._wide)
            x = _centered(x) if self._centers_wanted else x
        missed = (x - y).float().square().sum(-1)
        error = missed / x.float().square().sum(-1).clamp_min(1e-12)
        return Strongest(ids[:, :k], values[:, :k].float(), l0, error)

    def _centered(self, x: Tensor) -> Tensor:
        return _centered(x) if self._centers else x

    def _enter(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Vectors as the encoder reads them; and the factor and the offset [R, 1] by which what the
        decoder writes goes back, where there are such."""
        scale = mean = None
        if self._normalize == "layer_norm":
            mean = x.mean(-1, keepdim=True)
            x = x - mean
            scale = x.std(-1, keepdim=True)
            x = x / (scale + 1e-5)
        elif self._normalize == "constant_norm_rescale":
            scale = x.norm(dim=-1, keepdim=True) / self.d_in**0.5
            x = x / scale
        if self.transcodes:  # it writes in the scale of other vectors
            scale = mean = None
        return (x - self.b_dec if self._shifts else x), scale, mean

    def edit(
        self, vectors: Tensor, some: Some, change: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Change activations of vectors [R, d_in]: what has to be added to them, or, if it
        transcodes, to the vectors that it writes, is (a' - a) d,
        times the factor by which the SAE scales its input down. All else stays, the SAE's error
        included.

        A source that reads centred vectors needs no more: such a model ignores a vector's mean, and
        wherever vectors are read it is taken out again.

        Args:
            vectors: [R, d_in] of any type.
            some: the F features that are read or changed.
            change: from their activations a [R, F] to a' - a.

        Returns:
            a and a' [R, F], and what is added [R, d_out], float32 at least.
        """
        z, scale, _ = self._enter(self._centered(vectors.to(self._wide)))
        before = self._read_some(z.to(self.dtype), some)
        more = change(before)
        push = (more @ some.writes).to(self._wide)
        return before, before + more, push if scale is None else push * scale

    def active(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, feature indices and activations of all active features [M] of vectors [R, d_in], in
        the order of rows."""
        found, first = [], 0
        for part in torch.split(vectors, rows_at_once(self.width, self.dtype.itemsize)):
            z, _, _ = self._enter(self._centered(part.to(self._wide)))
            every = self._activations(z.to(self.dtype))
            rows, features = (every > 0).nonzero(as_tuple=True)
            found.append((rows + first, features, every[rows, features].float()))
            first += len(part)
        rows, features, activations = map(torch.cat, zip(*found, strict=True))
        return rows, features, activations

    def push(self, vectors: Tensor, features: Tensor, amounts: Tensor) -> Tensor:
        """What has to be added, as in `edit`, so that the activation of one feature of each of the
        vectors [U, d_in] changes by an amount, both [U]; [U, d_out], float32 at least."""
        _, scale, _ = self._enter(self._centered(vectors.to(self._wide)))
        push = amounts[:, None].to(self._wide) * self.W_dec[features].to(self._wide)
        return push if scale is None else push * scale

    def reads(self, features: Tensor) -> Tensor:
        """The encoder's columns of some features [n], as rows [n, d_in]."""
        if isinstance(self.product, prepack.PackedLinear):
            return self.product.rows(features.tolist())
        return self.product.weight[features]

    def writes(self, features: Tensor) -> Tensor:
        """The decoder's rows of some features [n]: [n, d_out]."""
        return self.W_dec[features]


class JumpReLU(SAE):
    """Features count above a threshold of their own."""

    def _take(self, theirs: Any) -> None:
        super()._take(theirs)
        self.threshold = _fixed(theirs.threshold.clamp_min(0))

    def _each(self) -> tuple[Tensor, ...]:
        return (self.threshold,)

    def _activate(self, product: Tensor, *each: Tensor) -> Tensor:
        (threshold,) = each
        return product.masked_fill_(product <= threshold, 0)


class Gated(SAE):
    """One product decides which features are active and, scaled, how much."""

    def _take(self, theirs: Any) -> None:
        super()._take(theirs)
        self.b_gate, self.b_mag = _fixed(theirs.b_gate), _fixed(theirs.b_mag)
        self.magnitude = _fixed(theirs.r_mag.exp())

    def _each(self) -> tuple[Tensor, ...]:
        return self.b_gate, self.b_mag, self.magnitude

    def _activate(self, product: Tensor, *each: Tensor) -> Tensor:
        b_gate, b_mag, magnitude = each
        found = torch.addcmul(b_mag, product, magnitude).relu_()
        return found.mul_(product.add_(b_gate) > 0)


class _Competing(SAE):
    """Whether a feature is active depends on the others, so all are read for any."""

    def _read_some(self, z: Tensor, some: Some) -> Tensor:
        parts = torch.split(z, rows_at_once(self.width, self.dtype.itemsize))
        return torch.cat([self._activations(part)[:, some.features] for part in parts])


class TopK(_Competing):
    """The k largest are active, so no others are looked at.

    An SAE may compare them in units of the decoder's norms, which are folded in then. Otherwise
    folding would choose others, so the norms stay as they are, as on Neuronpedia.
    """

    def _fold(self, theirs: Any) -> None:
        self.k = int(theirs.cfg.k)
        if theirs.cfg.rescale_acts_by_decoder_norm:
            super()._fold(theirs)
            norms = theirs.W_dec.norm(dim=-1)  # 1, but for rounding and rows of zeros
            theirs.W_enc.mul_(norms)
            theirs.b_enc.mul_(norms)
            theirs.W_dec.div_(norms.clamp_min(1e-8)[:, None])

    def _active(self, z: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        values, ids = strongest(self.product(z), self.k)
        return values.relu_(), ids, (values > 0).sum(-1), None

    def _activations(self, z: Tensor) -> Tensor:
        values, ids, *_ = self._active(z, self.k)
        return values.new_zeros(len(z), self.width).scatter_(-1, ids, values)


class MatchingPursuit(_Competing):
    """Features are chosen one by one, each by what those before it leave of the vector."""

    def _fold(self, theirs: Any) -> None:
        if not self._shifts:
            theirs.b_dec.zero_()  # then SAELens' decoder does not add it either

    def _take(self, theirs: Any) -> None:
        self.product = _plain(theirs.W_dec, None)  # it encodes with its decoder
        self.iterations = theirs.cfg.max_iterations or self.d_in
        self._least = float(theirs.cfg.residual_threshold)
        self._until_repeated = bool(theirs.cfg.stop_on_duplicate_support)

    def _activations(self, z: Tensor) -> Tensor:
        found = z.new_zeros(len(z), self.width)
        done = torch.zeros_like(z[:, :1], dtype=torch.bool)
        for _ in range(self.iterations):
            if bool(done.all()):
                break
            ids = self.product(z).argmax(-1, keepdim=True)
            rows = self.W_dec[ids[:, 0]]
            more = (z * rows).sum(-1, keepdim=True).relu_().masked_fill_(done, 0)
            known = found.gather(1, ids) != 0
            found.scatter_add_(1, ids, more)
            z = z - more * rows
            if self._until_repeated:
                done = done | known | (more == 0)
            if self._least > 0:
                done = done | (z.norm(dim=-1, keepdim=True) < self._least)
        return found


# Architectures whose features are functions of one position's vector, and never negative.
ARCHITECTURES: dict[str, type[SAE]] = {
    "standard": SAE,
    "jumprelu": JumpReLU,
    "gated": Gated,
    "topk": TopK,
    "matching_pursuit": MatchingPursuit,
    "transcoder": SAE,
    "skip_transcoder": SAE,
    "jumprelu_transcoder": JumpReLU,
    "jumprelu_skip_transcoder": JumpReLU,
}


@torch.no_grad()
def of(
    theirs: Any,
    *,
    centers: tuple[bool, bool] = (False, False),
    dtype: torch.dtype | None = None,
) -> SAE:
    """The SAE that computes what one of SAELens does, with its decoder norms folded in."""
    return ARCHITECTURES[theirs.cfg.architecture()](theirs, centers, dtype)


def _centered(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def _fixed(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight.detach(), requires_grad=False)


def _plain(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    layer.weight = _fixed(weight)
    if bias is not None:
        layer.bias = _fixed(bias)
    return layer


def _layer(weight: Tensor, bias: Tensor | None) -> _Layer:
    """x [R, d_in] to x W^T + b, by packed weights where that is possible."""
    if not prepack.available(weight.device, weight.dtype):
        return _plain(weight, bias)
    packed = prepack.PackedLinear(weight, bias)
    some = weight[:3] / torch.stack(weight.aminmax()).abs().max().clamp_min(1e-30)
    found, wanted = packed(some).float(), linear(some, weight, bias).float()
    bound = (1e-4 if weight.dtype == torch.float32 else 2e-2) * wanted.abs().max()
    if not bool(((found - wanted).abs() <= bound).all()):
        raise PackingError(
            "packed weights of an SAE give other features than plain ones on this CPU, so they "
            "would be served wrong. Please report it with this machine's CPU and torch's version"
        )
    return packed


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
