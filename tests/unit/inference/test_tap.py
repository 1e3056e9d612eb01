"""Many rows are encoded in parts: the same features with limited memory."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from axon_inference.config import Settings
from axon_inference.forward import encoding, prepack
from axon_inference.forward.tap import Reader, Strongest
from axon_inference.loading import loading
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ... import tiny

HOOK = "blocks.1.hook_resid_post"
WIDTH, TOKENS = 8192, 200
ARCHITECTURES = ["standard", "jumprelu", "gated", "topk", "matching_pursuit"]


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


@pytest.fixture(params=["packed", "plain"])
def weights(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed weights as on a CPU, and plain ones as on a GPU."""
    if request.param == "plain":
        monkeypatch.setattr(prepack, "available", lambda *_: False)


def reader(tmp_path: Path, architecture: str) -> Reader:
    model = tiny.gpt2_folder(tmp_path / "model")
    sae = tiny.sae_folder(tmp_path / "sae", architecture, HOOK, d_sae=WIDTH)
    settings = Settings(model=str(model), sources=(str(sae),), slots=2, device="cpu")
    return loading.load(settings).runner.tap._readers[0]


def read(reader: Reader, tokens: int = TOKENS, k: int = 40) -> tuple[Strongest, Memory]:
    x = torch.randn(tokens, 32, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode(), Memory() as memory:
        return reader.read(x, k), memory


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_long_prompt_takes_no_more_memory_than_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    whole, memory = read(reader(tmp_path, architecture))
    assert memory.largest >= TOKENS * WIDTH * 4
    assert memory.most <= encoding.most_bytes(WIDTH, TOKENS)
    monkeypatch.setattr(encoding, "_AT_ONCE", 1 << 20)
    parts, memory = read(reader(tmp_path, architecture))
    assert memory.largest <= 1 << 20
    assert memory.most <= encoding.most_bytes(WIDTH, TOKENS)
    assert encoding.most_bytes(WIDTH, TOKENS) == encoding.most_bytes(WIDTH, 32) == 5 << 20
    torch.testing.assert_close(parts.activations, whole.activations, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(parts.error, whole.error, atol=1e-5, rtol=1e-5)
    assert torch.equal(parts.l0, whole.l0)
    same = parts.ids == whole.ids
    assert bool((same | (whole.activations == 0)).all())


def test_at_least_one_row_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_AT_ONCE", 1000)
    found, _ = read(reader(tmp_path, "standard"), tokens=3)
    assert found.ids.shape == (3, 40)
    assert encoding.most_bytes(WIDTH, 3) == 5 * WIDTH * 4
