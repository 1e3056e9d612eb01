"""The tap: reads activation vectors as a forward pass makes them, finds their features, and puts
edited vectors in their place.

Sources at one hook point read the same vector, and what their edits add to it adds up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from axon_inference.model.network import HookPoint
from axon_inference.model.sae import Strongest
from axon_inference.model.sources import Source, SourceError
from axon_inference.step.edits import SourceEdits


class Tap:
    """Watches the hook points of all sources. Not thread-safe, as the network is not either.

    What it keeps of a hook point are the unedited vectors.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._seen: dict[str, Tensor] = {}
        #: Those of the next forward pass, by source.
        self.edits: Mapping[int, SourceEdits] = {}
        # Several SAEs may read one hook point; it is watched once.
        hooks = {source.hook.name: source.hook for source in self.sources}
        self._at: dict[str, list[int]] = defaultdict(list)
        for index, source in enumerate(self.sources):
            self._at[source.hook.name].append(index)
        self._handles = [self._watch(hook) for hook in hooks.values()]

    def close(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()

    def read(self, source: int, k: int) -> Strongest:
        """The k strongest features of one source, at all N tokens of the last forward pass, before
        edits. With edits there are some more: those silenced make room for as many others."""
        wanted = self.sources[source]
        if source in self.edits:
            k += self.edits[source].most_written
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
        def entering(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            given = args[0] if args else kwargs["hidden_states"]
            left = self._pass(hook.name, given)
            if left is given:
                return None
            return ((left, *args[1:]), kwargs) if args else ((), {**kwargs, "hidden_states": left})

        def leaving(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            given = output[0] if isinstance(output, tuple) else output
            left = self._pass(hook.name, given)
            if left is given:
                return None
            return (left, *output[1:]) if isinstance(output, tuple) else left

        if hook.side == "in":
            return hook.module.register_forward_pre_hook(entering, with_kwargs=True)
        return hook.module.register_forward_hook(leaving)

    def _pass(self, hook: str, vectors: Tensor) -> Tensor:
        """Keep vectors [1, N, d_in] of a hook point, and return what goes on in their place."""
        self._seen[hook] = vectors
        if not self.edits:
            return vectors
        edited = [source for source in self._at[hook] if source in self.edits]
        left = vectors[0]
        for source in edited:
            left = self.edits[source].apply(self.sources[source].sae, vectors[0], left)
        return left[None] if edited else vectors
