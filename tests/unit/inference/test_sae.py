"""Our SAEs compute what SAELens' encode and decode compute, in bounded memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.model import prepack, sae
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ... import tiny
from ...parity.reference import fold

D_IN, WIDTH, TOKENS = 32, 8192, 200


def theirs(tmp_path: Path, architecture: str, **settings: Any) -> Any:
    """An SAE of SAELens, as it is in the file."""
    from sae_lens import SAE

    folder = tiny.sae_folder(
        tmp_path, architecture, "blocks.0.hook_resid_pre", d_in=D_IN, d_sae=WIDTH, **settings
    )
    return SAE.load_from_disk(folder).eval().requires_grad_(False)


def vectors(rows: int) -> torch.Tensor:
    return torch.randn(rows, D_IN, generator=torch.Generator().manual_seed(0))


def dense(ids: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.new_zeros(len(ids), WIDTH).scatter_(-1, ids, values)


@pytest.fixture(params=["packed", "plain"])
def weights(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed weights as on a CPU, and plain ones as on a GPU."""
    if request.param == "plain":
        monkeypatch.setattr(prepack, "available", lambda *_: False)


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("architecture", sorted(sae.ARCHITECTURES))
@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_and_error_are_those_of_saelens(
    tmp_path: Path, architecture: str, normalize: str, dtype: torch.dtype
) -> None:
    reference = fold(theirs(tmp_path, architecture, normalize_activations=normalize).to(dtype))
    x = vectors(5).to(dtype)
    want = reference.encode(x)
    missed = (x - reference(x)).square().sum(-1) / x.square().sum(-1)
    other = vectors(10)[5:].to(dtype)
    apart = (other - reference(x)).square().sum(-1) / other.square().sum(-1)
    ours = sae.of(theirs(tmp_path, architecture, normalize_activations=normalize).to(dtype))
    assert (ours.dtype, ours.width, ours.d_in) == (dtype, WIDTH, D_IN)
    for k in (3, WIDTH):
        found = ours.read(x, k)
        top = want.topk(found.ids.shape[-1], -1).values.float()
        torch.testing.assert_close(found.activations, top, atol=1e-5, rtol=1e-5)
        assert found.l0.tolist() == (want > 0).sum(-1).tolist()
        torch.testing.assert_close(found.error, missed.float(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.read(x, 3, other).error, apart.float(), atol=1e-4, rtol=1e-4)
    assert found.ids.shape[-1] >= int(found.l0.max())
    torch.testing.assert_close(
        dense(found.ids, found.activations), want.float(), atol=1e-5, rtol=1e-5
    )


#: The largest difference of an activation, as a share of the largest at its position, and the
#: least mean share of the 15 strongest features that are the same.
HALF = {torch.bfloat16: (0.01, 0.95), torch.float16: (0.002, 0.99)}


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("architecture", sorted(sae.ARCHITECTURES.keys() - {"matching_pursuit"}))
@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_keeps_the_features(
    tmp_path: Path, architecture: str, dtype: torch.dtype
) -> None:
    exact = sae.of(theirs(tmp_path, architecture)).read(vectors(50), WIDTH)
    half = sae.of(theirs(tmp_path, architecture), dtype=dtype)
    assert (half.dtype, half.W_dec.dtype, half.b_dec.dtype) == (dtype, dtype, torch.float32)
    found = half.read(vectors(50), WIDTH)
    ours, want = (dense(some.ids, some.activations) for some in (found, exact))
    # Near its threshold a feature may be active in one of them alone.
    apart = (ours - want).abs().masked_fill((ours == 0) | (want == 0), 0).amax(-1)
    largest, overlap = HALF[dtype]
    # An error of exactly 0 would mean that nothing was rounded and nothing is tested.
    assert 0 < float((apart / want.amax(-1)).max()) < largest
    strongest = min(15, int(exact.l0.min()))
    same = [
        len(set(a.tolist()) & set(b.tolist())) / strongest
        for a, b in zip(found.ids[:, :strongest], exact.ids[:, :strongest], strict=True)
    ]
    assert sum(same) / len(same) >= overlap


@pytest.mark.usefixtures("weights")
def test_the_mean_is_subtracted_where_the_model_had_none(tmp_path: Path) -> None:
    x = vectors(5)
    centred = sae.of(theirs(tmp_path, "standard"), centers=(True, True)).read(x, 9)
    want = sae.of(theirs(tmp_path, "standard")).read(x - x.mean(-1, keepdim=True), 9)
    torch.testing.assert_close(centred, want)


def test_features_that_a_topk_does_not_rescale_are_not_folded(tmp_path: Path) -> None:
    plain = theirs(tmp_path, "topk")
    plain.cfg.rescale_acts_by_decoder_norm = False
    want = plain.encode(vectors(5))
    found = sae.of(plain).read(vectors(5), 50)
    torch.testing.assert_close(dense(found.ids, found.activations), want, atol=1e-5, rtol=1e-5)


def test_a_feature_that_writes_nothing_is_never_active(tmp_path: Path) -> None:
    """Where a top-k SAE rescales by the decoder's norms, that of a row of zeros is 0."""
    one = theirs(tmp_path, "topk")
    x = vectors(5)
    best = one.encode(x).argmax(-1)
    one.W_dec[best] = 0
    found = sae.of(one).read(x, 12)
    assert not set(found.ids[found.activations > 0].tolist()) & set(best.tolist())
    assert found.error.isfinite().all()


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("architecture", sorted(sae.ARCHITECTURES))
def test_single_features_can_be_read(tmp_path: Path, architecture: str) -> None:
    reference, some = fold(theirs(tmp_path, architecture)), torch.tensor([7, 0, WIDTH - 1])
    ours = sae.of(theirs(tmp_path, architecture))
    torch.testing.assert_close(ours.reads(some), reference.W_enc.t()[some])
    torch.testing.assert_close(ours.writes(some), reference.W_dec[some])


@pytest.mark.parametrize("given", [0, 1])
def test_rows_do_not_affect_each_other(tmp_path: Path, given: int) -> None:
    """A vector that is not finite, and one with very many active features."""
    ours = sae.of(theirs(tmp_path, "standard"))
    x = vectors(4)
    x[2] = torch.nan if given else 1e3 * ours.reads(torch.arange(WIDTH)).mean(0)
    together, alone = ours.read(x, 9), ours.read(x[:2], 9)
    for found, want in zip(together, alone, strict=True):
        torch.testing.assert_close(found[:2], want, atol=1e-5, rtol=1e-5)
    assert bool(together.error[2].isnan()) is bool(given)


def test_a_wrongly_packed_encoder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(prepack.PackedLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1.01

    monkeypatch.setattr(prepack, "PackedLinear", Broken)
    with pytest.raises(sae.PackingError, match="other features than plain ones"):
        sae.of(theirs(tmp_path, "standard"))


@pytest.mark.parametrize("large", [1e18, 1e30])
def test_a_very_large_weight_is_not_taken_for_wrong_packing(tmp_path: Path, large: float) -> None:
    one = theirs(tmp_path, "standard")
    one.W_enc[3, 1] = large
    assert sae.of(one).reads(torch.tensor([1]))[0, 3] >= large / 2


@pytest.mark.parametrize("k", [1, 40])
def test_few_active_features_are_reconstructed_without_the_others(tmp_path: Path, k: int) -> None:
    """Not by a product with the whole decoder, unless there are too many."""
    ours = sae.of(theirs(tmp_path, "standard"))
    *_, every = ours._active(vectors(3), k)
    assert every is not None  # half of all are active
    ours.product.bias.sub_(3.0)
    _, ids, l0, every = ours._active(vectors(3), k)
    assert every is None
    assert 0 < int(l0.max()) <= ids.shape[-1]


class Memory(TorchDispatchMode):
    """Measures the bytes of the largest new tensor, and the most bytes of all new ones at once."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.most = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self._count(tensor.untyped_storage())
        return found

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def forget() -> None:
            self._known.discard(key)
            self._now -= size

        self._known.add(key)
        weakref.finalize(storage, forget)
        self._now += size
        self.largest, self.most = max(self.largest, size), max(self.most, self._now)


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("architecture", sorted(sae.ARCHITECTURES))
def test_a_long_prompt_takes_no_more_memory_than_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    ours = sae.of(theirs(tmp_path, architecture))

    def read(rows: int) -> tuple[sae.Strongest, Memory]:
        with torch.inference_mode(), Memory() as memory:
            return ours.read(vectors(rows), 40), memory

    whole, memory = read(TOKENS)
    assert memory.largest >= TOKENS * WIDTH * 4
    assert memory.most <= sae.most_bytes(WIDTH, TOKENS)
    monkeypatch.setattr(sae, "_AT_ONCE", 1 << 20)
    parts, memory = read(TOKENS)
    assert memory.largest <= 1 << 20
    assert memory.most <= sae.most_bytes(WIDTH, TOKENS)
    assert sae.most_bytes(WIDTH, TOKENS) == sae.most_bytes(WIDTH, 32) == 5 << 20
    torch.testing.assert_close(parts.activations, whole.activations, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(parts.error, whole.error, atol=1e-5, rtol=1e-5)
    assert torch.equal(parts.l0, whole.l0)
    same = parts.ids == whole.ids
    assert bool((same | (whole.activations == 0)).all())
    monkeypatch.setattr(sae, "_AT_ONCE", 1000)  # at least one row is read at once
    few, _ = read(3)
    assert len(few.ids) == 3
    assert sae.most_bytes(WIDTH, 3) == 5 * WIDTH * 4


@settings(deadline=None)  # the first call of an operation is slow
@given(st.integers(0, 10_000), st.integers(1, 70), st.sampled_from([64, 4096, 4104, 24576]))
def test_strongest_is_topk(seed: int, k: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(3, width, generator=generator)
    activations[0] = activations[0].relu()
    activations[1].mul_(torch.rand(width, generator=generator) < 0.001)
    k = min(k, width)
    values, ids = sae.strongest(activations, k)
    torch.testing.assert_close(values, activations.topk(k, -1).values)
    torch.testing.assert_close(activations.gather(1, ids), values)
    assert all(len(set(row)) == k for row in ids.tolist())


def test_a_preactivation_that_overflows_below_is_not_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepack, "available", lambda *_: False)
    jumprelu = theirs(tmp_path, "jumprelu", apply_b_dec_to_input=False)
    jumprelu.W_enc[:, 0] = -float("inf")
    found = sae.of(jumprelu).read(vectors(5).abs(), WIDTH)
    assert dense(found.ids, found.activations)[:, 0].eq(0).all()
    assert found.error.isfinite().all()
