"""The tap: reads activation vectors as a forward pass makes them, and finds their features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from axon_inference.model.network import HookPoint
from axon_inference.model.sae import Strongest
from axon_inference.model.sources import Source, SourceError


class Tap:
    """Watches the hook points of all sources. Not thread-safe, as the network is not either."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._seen: dict[str, Tensor] = {}
        # Several SAEs may read one hook point; it is watched once.
        hooks = {source.hook.name: source.hook for source in self.sources}
        self._handles = [self._watch(hook) for hook in hooks.values()]

    def close(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def read(self, source: int, k: int) -> Strongest:
        """The k strongest features of one source, at all N tokens of the last forward pass."""
        wanted = self.sources[source]
        return wanted.sae.read(self._seen[wanted.hook.name][0], k)

    def check(self, tokens: int) -> None:
        """See that the forward pass of `tokens` tokens just made reached every hook point.

        Raises:
            SourceError: a hook never fired, or saw something else than residual vectors.
        """
        for source in self.sources:
            seen = self._seen.get(source.hook.name)
            wanted = (1, tokens, source.sae.d_in)
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
