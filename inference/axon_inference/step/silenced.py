"""Features taken out of vectors: the activation, which is known, times the decoder's row.

The vectors of one source are the same whatever is silenced in them, since what that changes comes
after. So nothing has to be encoded again.
"""

from __future__ import annotations

from torch import Tensor

from axon_inference.model.sae import SAE


class Silenced:
    """What is taken out of one source's vectors in a step: `activations` of `features` in the batch
    rows `rows`, each [U], no row twice."""

    def __init__(self, rows: Tensor, features: Tensor, activations: Tensor) -> None:
        self._rows, self._features, self._activations = rows, features, activations

    def apply(self, sae: SAE, read: Tensor, left: Tensor) -> Tensor:
        """Vectors [N, d_in] without them; arguments as for `SourceEdits.apply`."""
        push = sae.push(read[self._rows], self._features, -self._activations)
        return left.index_copy(
            0, self._rows, (left[self._rows].to(push.dtype) + push).to(left.dtype)
        )
