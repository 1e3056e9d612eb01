"""The fast paths give the same results as SAELens' own encode and decode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.forward import encoding, prepack
from hypothesis import given, settings
from hypothesis import strategies as st

from ... import tiny

D_IN, WIDTH = 32, 8192


def load(tmp_path: Path, architecture: str, **settings: Any) -> Any:
    from sae_lens import SAE

    folder = tiny.sae_folder(
        tmp_path, architecture, "blocks.0.hook_resid_pre", d_in=D_IN, d_sae=WIDTH, **settings
    )
    return SAE.load_from_disk(folder, fold_W_dec_norm=True).eval().requires_grad_(False)


@pytest.mark.parametrize("architecture", ["standard", "jumprelu", "gated", "topk"])
@pytest.mark.parametrize("normalize", ["none", "layer_norm"])
@pytest.mark.parametrize("packed", [True, False])
def test_encode_and_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    normalize: str,
    packed: bool,
) -> None:
    if not packed:  # as on a GPU
        monkeypatch.setattr(prepack, "available", lambda *_: False)
    sae = load(tmp_path, architecture, normalize_activations=normalize)
    x = torch.randn(5, D_IN, generator=torch.Generator().manual_seed(0))
    want = sae.encode(x)
    missed = (x - sae.decode(want)).square().sum(-1) / x.square().sum(-1)
    encode = encoding.encoder(sae)
    found = encode(x)
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-5)
    reconstruction = encoding.Reconstruction(sae)
    torch.testing.assert_close(reconstruction.error(x, found), missed)
    k = int((found > 0).sum(-1).max())
    # encode keeps a normalised vector's scale and decode uses it up, so encode runs again here.
    values, ids = encoding.strongest(encode(x), k)
    torch.testing.assert_close(
        reconstruction.error_of_few(x, ids, values), missed, atol=1e-4, rtol=1e-4
    )


def test_a_wrongly_packed_encoder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(prepack.PackedLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1.01

    monkeypatch.setattr(prepack, "PackedLinear", Broken)
    with pytest.raises(encoding.PackingError, match="other features than plain ones"):
        encoding.encoder(load(tmp_path, "standard"))


def test_many_active_features_are_reconstructed_densely(tmp_path: Path) -> None:
    reconstruction = encoding.Reconstruction(load(tmp_path, "standard"))
    assert reconstruction.candidates(50) == 50
    assert reconstruction.candidates(4000) == 0


@settings(deadline=None)  # the first call of an operation is slow
@given(st.integers(0, 10_000), st.integers(1, 70), st.sampled_from([64, 4096, 4104, 24576]))
def test_strongest_is_topk(seed: int, k: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(3, width, generator=generator)
    activations[0] = activations[0].relu()
    activations[1].mul_(torch.rand(width, generator=generator) < 0.001)
    k = min(k, width)
    values, ids = encoding.strongest(activations, k)
    torch.testing.assert_close(values, activations.topk(k, -1).values)
    torch.testing.assert_close(activations.gather(1, ids), values)
    assert all(len(set(row)) == k for row in ids.tolist())
