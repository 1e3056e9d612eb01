"""The tap: reads activation vectors as a forward pass makes them, and finds their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from axon_inference.forward.encoding import Reconstruction, encoder, rows_at_once, strongest
from axon_inference.forward.model import HookPoint
from axon_inference.forward.sources import Source, SourceError


@dataclass(frozen=True)
class Strongest:
    """The strongest features of R rows: ids and activations [R, k] in falling order, l0 and
    reconstruction error [R]."""

    ids: Tensor
    activations: Tensor
    l0: Tensor
    error: Tensor

    @classmethod
    def joined(cls, parts: Sequence[Strongest]) -> Strongest:
        """The rows of all parts, one part's behind another's."""
        return cls(
            ids=torch.cat([part.ids for part in parts]),
            activations=torch.cat([part.activations for part in parts]),
            l0=torch.cat([part.l0 for part in parts]),
            error=torch.cat([part.error for part in parts]),
        )


class Reader:
    """One source's way from activation vectors to features."""

    def __init__(self, source: Source) -> None:
        self._width = source.width
        self._centers = source.centers
        self._dtype = source.sae.dtype
        self._rows = rows_at_once(source.width, self._dtype.itemsize)
        self._encode = encoder(source.sae)
        self._reconstruction = Reconstruction(source.sae)

    def read(self, residual: Tensor, k: int) -> Strongest:
        """The k strongest features, at most the width, of vectors [R, d_in] at the hook point.

        Many rows are read in parts, so that the memory it takes has a bound.
        """
        parts = [self._read(rows, k) for rows in torch.split(residual, self._rows)]
        return parts[0] if len(parts) == 1 else Strongest.joined(parts)

    def _read(self, residual: Tensor, k: int) -> Strongest:
        x = residual.to(self._dtype)
        if self._centers:
            x = x - x.mean(-1, keepdim=True)
        activations = self._encode(x)
        k = min(k, self._width)
        l0 = (activations > 0).sum(-1)
        # Without a device to wait for, the reconstruction can be built from active features.
        few = self._reconstruction.candidates(int(l0.max())) if l0.device.type == "cpu" else 0
        values, ids = strongest(activations, min(max(k, few), self._width))
        if few:
            error = self._reconstruction.error_of_few(x, ids, values)
        else:
            error = self._reconstruction.error(x, activations)
        return Strongest(ids[:, :k], values[:, :k].float(), l0, error)


class Tap:
    """Watches the hook points of all sources. Not thread-safe, as the network is not either."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._readers = [Reader(source) for source in self.sources]
        self._seen: dict[str, Tensor] = {}
        self._handles = [self._watch(hook) for hook in _distinct(self.sources)]

    def close(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def read(self, source: int, k: int) -> Strongest:
        """The k strongest features of one source, at all N tokens of the last forward pass."""
        return self._readers[source].read(self._seen[self.sources[source].hook.name][0], k)

    def check(self, tokens: int) -> None:
        """See that the forward pass of `tokens` tokens just made reached every hook point.

        Raises:
            SourceError: a hook never fired, or saw something else than residual vectors.
        """
        for source in self.sources:
            seen = self._seen.get(source.hook.name)
            wanted = (1, tokens, int(source.sae.cfg.d_in))
            if seen is None or seen.shape != wanted:
                shape = "nothing" if seen is None else f"a tensor of shape {tuple(seen.shape)}"
                raise SourceError(
                    f"source {source.id}: {source.hook.name} gave {shape}, not {wanted}; "
                    "Axon cannot read this hook point of this model"
                )

    def _watch(self, hook: HookPoint) -> torch.utils.hooks.RemovableHandle:
        def keep(tensor: Tensor) -> None:
            self._seen[hook.name] = tensor

        def entering(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            keep(args[0] if args else kwargs["hidden_states"])

        def leaving(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            keep(output[0] if isinstance(output, tuple) else output)

        if hook.side == "in":
            return hook.module.register_forward_pre_hook(entering, with_kwargs=True)
        return hook.module.register_forward_hook(leaving)


def _distinct(sources: Sequence[Source]) -> list[HookPoint]:
    """Several SAEs may read one hook point; it is watched once."""
    return list({source.hook.name: source.hook for source in sources}.values())
