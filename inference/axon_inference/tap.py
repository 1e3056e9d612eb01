"""The tap: reads activation vectors as a forward pass makes them, and finds their features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .model import HookPoint
from .sources import Source


@dataclass(frozen=True)
class Strongest:
    """The strongest features of R rows: ids and activations [R, k] in falling order, l0 and
    reconstruction error [R]."""

    ids: Tensor
    activations: Tensor
    l0: Tensor
    error: Tensor


class Tap:
    """Watches the hook points of all sources. Not thread-safe, as the network is not either."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._seen: dict[str, Tensor] = {}
        self._handles = [self._watch(hook) for hook in _distinct(self.sources)]

    def close(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def read(self, source: int, rows: Tensor | None, k: int) -> Strongest:
        """The strongest features at the last forward pass's positions.

        Args:
            source: index into the sources.
            rows: flat indices into the batch's [n, T] positions; None takes them all.
            k: how many features, at most the source's width.
        """
        found = self.sources[source]
        vectors = self._seen[found.hook.name].flatten(0, 1)
        if rows is not None:
            vectors = vectors[rows]
        activations, error = found.encode(vectors)
        values, ids = activations.topk(min(k, found.width), -1)
        return Strongest(ids, values.float(), (activations > 0).sum(-1), error)

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
