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
from axon_inference.step.silenced import Silenced


class Tap:
    """Watches the hook points of all sources. Not thread-safe, as the network is not either.

    What it keeps of a hook point are the unedited vectors.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._seen: dict[str, Tensor] = {}
        #: Those of the next forward pass, by source.
        self.edits: Mapping[int, SourceEdits] = {}
        #: What the next forward pass takes away, by source.
        self.silenced: Mapping[int, Silenced] = {}
        #: Vectors [1, N, d_in] that the next forward pass goes on with, by hook point, with
        #: autograd; None: without.
        self.differentiated: dict[str, Tensor] | None = None
        # Several SAEs may read one hook point; it is watched once.
        every = [hook for source in self.sources for hook in (source.hook, source.target)]
        hooks = {hook.name: hook for hook in every}
        # By the hook point that they write at.
        self._at: dict[str, list[int]] = defaultdict(list)
        for index, source in enumerate(self.sources):
            self._at[source.target.name].append(index)
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
        target = self._seen[wanted.target.name][0] if wanted.sae.transcodes else None
        return wanted.sae.read(self._seen[wanted.hook.name][0], k, target)

    def active(self, source: int, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, feature indices and activations of all active features [M] at some tokens of the
        last forward pass, before edits."""
        wanted = self.sources[source]
        return wanted.sae.active(self._seen[wanted.hook.name][0, rows])

    def read_by(self, source: int) -> Tensor:
        """The vectors [N, d_in] that a source has read in the last forward pass."""
        return self._seen[self.sources[source].hook.name][0].detach()

    def above(self) -> list[int | None]:
        """Of each source the first one that a forward pass feeds after what it writes, if there is
        any."""
        order = list(self._seen)
        reads = [order.index(source.hook.name) for source in self.sources]
        writes = [order.index(source.target.name) for source in self.sources]
        return [
            min(
                (n for n, other in enumerate(reads) if other > place),
                key=reads.__getitem__,
                default=None,
            )
            for place in writes
        ]

    def check(self, tokens: int) -> None:
        """See that the forward pass of `tokens` tokens just made reached every hook point.

        Raises:
            SourceError: a hook never fired, or saw something else than residual vectors.
        """
        for source in self.sources:
            hooks = ((source.hook, source.sae.d_in), (source.target, source.sae.d_out))
            for hook, width in hooks:
                seen, wanted = self._seen.get(hook.name), (1, tokens, width)
                if seen is None or seen.shape != wanted:
                    shape = "nothing" if seen is None else f"a tensor of shape {tuple(seen.shape)}"
                    raise SourceError(
                        f"source {source.id}: {hook.name} gave {shape}, not {wanted}; "
                        "Axon cannot read this hook point of this model"
                    )

    def _watch(self, hook: HookPoint) -> torch.utils.hooks.RemovableHandle:
        def entering(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            given = args[0] if args else kwargs["hidden_states"]
            left = self._pass(hook, given)
            if left is given:
                return None
            return ((left, *args[1:]), kwargs) if args else ((), {**kwargs, "hidden_states": left})

        def leaving(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
            given = output[0] if isinstance(output, tuple) else output
            left = self._pass(hook, given)
            if left is given:
                return None
            return (left, *output[1:]) if isinstance(output, tuple) else left

        if hook.side == "in":
            return hook.module.register_forward_pre_hook(entering, with_kwargs=True)
        return hook.module.register_forward_hook(leaving)

    def _pass(self, hook: HookPoint, vectors: Tensor) -> Tensor:
        """Keep vectors [1, N, d_in] of a hook point, and return what goes on in their place."""
        self._seen[hook.name] = hook.normalize(vectors) if hook.normalize else vectors
        if hook.name not in self._at:  # nobody writes here
            return vectors
        if self.differentiated is not None:
            return self._differentiate(hook.name, vectors)
        return self._left(hook.name, vectors)

    def _left(self, hook: str, vectors: Tensor) -> Tensor:
        if not (self.edits or self.silenced):
            return vectors
        given = left = vectors[0]
        for source in self._at[hook]:
            one = self.sources[source]
            read = given if one.hook.name == hook else self._seen[one.hook.name][0]
            for changes in (self.edits, self.silenced):
                if source in changes:
                    left = changes[source].apply(one.sae, read, left)
        return vectors if left is given else left[None]

    def _differentiate(self, hook: str, vectors: Tensor) -> Tensor:
        """What goes on, edits included, as vectors of which gradients can be asked for."""
        assert self.differentiated is not None
        with torch.no_grad():
            left = self._left(hook, vectors)
            push = None if left is vectors else left - vectors
        if not vectors.requires_grad:
            vectors = vectors.detach().requires_grad_()
        self.differentiated[hook] = vectors if push is None else vectors + push
        return self.differentiated[hook]
