"""What one feature's weights say by themselves: the tokens it promotes and suppresses, and the
features of its source, and of the others, that write most nearly the same. Texts that activate it
come along where they are known.

Everything is read off the weights that the model and its sources hold anyway, when it is asked
for; nothing is precomputed or copied, and answers are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from axon_inference.engine.requests import (
    MAX_FEATURE_ENTRIES,
    Example,
    Feature,
    Kin,
    Neighbor,
    TokenEffect,
    Unreadable,
)
from axon_inference.engine.text import Detokenizer, decoder
from axon_inference.model.device import inference
from axon_inference.model.examples import Examples
from axon_inference.model.sources import Source

# What these hook points hold is added to the residual stream as it is.
_WRITTEN = frozenset(
    {"hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out"}
)
# Answers kept; one takes 2.4 KB.
_REMEMBERED = 4096
# Rows of a decoder looked at together, so that one of half precision is never there in float32
# as a whole.
_ROWS = 8192
_Ranked = tuple[Tensor, Tensor]


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is needed here."""

    def __len__(self) -> int:
        """Tokens that have a text; a model's vocabulary may be padded beyond them."""

    def decode(
        self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool
    ) -> str:
        """The text of some ids."""


@dataclass(frozen=True)
class Unembedding:
    """From the residual stream to logits, the final norm folded in as `fold_ln` of
    TransformerLens does: its weight scales, and where it subtracts the mean, so do we.

    `head` is the model's own and may keep its weight in any form. `gain` [d_model] is the norm's
    weight, of the head's dtype.
    """

    head: nn.Module
    gain: Tensor
    centres: bool

    @classmethod
    def of(cls, adapter: Any, network: nn.Module) -> Unembedding:
        """Find it in a network by its TransformerLens adapter."""
        config = adapter.cfg
        weight = adapter.get_component(network, "ln_final").weight
        # Gemma's norms keep their weight less 1.
        gain = weight + 1 if getattr(config, "rmsnorm_uses_offset", False) else weight
        centres = config.normalization_type in ("LN", "LNPre")
        return cls(adapter.get_component(network, "unembed"), gain, centres)

    def effects(self, direction: Tensor) -> Tensor:
        """Change of every logit [vocabulary] per unit along `direction` [d_model], before the
        final norm divides by the residual's own scale and before any cap on logits."""
        if self.centres:
            direction = direction - direction.mean()
        inputs = (direction.float() * self.gain.float()).to(self.gain.dtype)
        logits: Tensor = self.head(inputs[None])[0].float()
        bias = getattr(self.head, "bias", None)
        return logits if bias is None else logits - bias.float()


class FeatureReader:
    """Reads features of `sources` off the weights. May be used by any thread.

    A first reading costs one pass over the unembedding and one over the source's decoder; let
    one at a time run, or they and the engine take each other's memory bandwidth.
    """

    def __init__(
        self,
        unembedding: Unembedding,
        sources: Sequence[Source],
        tokenizer: Tokenizer,
        examples: Sequence[Examples | None] = (),
    ) -> None:
        self._unembedding = unembedding
        self._sources = sources
        self._tokenizer = tokenizer
        self._decode = decoder(tokenizer)
        self._examples = examples
        self._kin = lru_cache(maxsize=_REMEMBERED)(self._find_kin)
        self._ranked = lru_cache(maxsize=_REMEMBERED)(self._rank)

    def read(self, source: int, index: int, limit: int) -> Feature:
        """The first `limit` entries of each list.

        Raises:
            Unreadable: the source's decoder does not write to the residual stream.
        """
        raising, lowering, near = self._ranked(source, index)
        return Feature(
            promoted=tuple(self._effect(i, v) for i, v in _first(raising, limit)),
            suppressed=tuple(self._effect(i, -v) for i, v in _first(lowering, limit)),
            neighbors=tuple(Neighbor(i, v) for i, v in _first(near, limit)),
            kin=self._kin(source, index),
            examples=self._strongest(source, index, limit),
        )

    def _find_kin(self, source: int, index: int) -> tuple[Kin, ...]:
        """Of each other source that writes to the residual stream, the feature most like this one;
        none if this one, or all of such a source, is a row of zeros."""
        own, found = self._sources[source].sae.W_dec, []
        with inference(self._unembedding.gain.device):
            for number, other in enumerate(self._sources):
                if number == source or not _writes(other):
                    continue
                cosines = _cosines(other.sae.W_dec, own[index])
                feature = int(cosines.argmax())
                if (cosine := float(cosines[feature])) > 0:
                    back = int(_cosines(own, other.sae.W_dec[feature]).argmax())
                    found.append(Kin(number, feature, cosine, back == index))
        return tuple(found)

    def _strongest(self, source: int, index: int, limit: int) -> tuple[Example, ...]:
        examples = self._examples[source] if self._examples else None
        told = []
        for ids, activations in examples.of(index, limit) if examples else ():
            detokenizer = Detokenizer(self._decode)
            texts = [detokenizer.push(token) for token in ids]
            texts[-1] += detokenizer.flush()
            told.append(Example(tuple(texts), tuple(activations)))
        return tuple(told)

    def _rank(self, source: int, index: int) -> tuple[_Ranked, _Ranked, _Ranked]:
        one = self._sources[source]
        with inference(self._unembedding.gain.device):
            effects = self._unembedding.effects(_direction(one, index))[: len(self._tokenizer)]
            cosines = _cosines(one.sae.W_dec, one.sae.W_dec[index])
            # Among them it would be the nearest to itself.
            cosines[index] = -torch.inf
            largest = _largest(effects), _largest(-effects), _largest(cosines)
        raising, lowering, near = map(_on_host, largest)
        return raising, lowering, near

    def _effect(self, token_id: int, logit: float) -> TokenEffect:
        return TokenEffect(token_id, self._decode([token_id]), logit)


def _largest(values: Tensor) -> _Ranked:
    """Where the largest of some values are, and these: both [k]."""
    top = values.topk(min(MAX_FEATURE_ENTRIES, len(values)))
    return top.indices, top.values


def _on_host(ranked: _Ranked) -> _Ranked:
    """The same on the host, without values that are not above 0."""
    ids, values = ranked[0].to("cpu", torch.int32), ranked[1].cpu()
    kept = values > 0
    return ids[kept], values[kept]


def _first(ranked: _Ranked, count: int) -> Iterable[tuple[int, float]]:
    ids, values = ranked
    return zip(ids[:count].tolist(), values[:count].tolist(), strict=True)


def _writes(source: Source) -> bool:
    return source.writes_to.rpartition(".")[2] in _WRITTEN


def _direction(source: Source, index: int) -> Tensor:
    """What one unit of a feature's activation adds to the residual stream, [d_model]."""
    if not _writes(source):
        raise Unreadable(
            f"features of {source.id} do not write to the residual stream ({source.writes_to}), "
            "so they have no direct effect on logits"
        )
    return source.sae.W_dec[index]


def _cosines(rows: Tensor, one: Tensor) -> Tensor:
    """Cosine similarity of every row [n, d] with a row [d], [n]; 0 for rows of zeros."""
    row = one.float()
    parts = [(some.float() @ row, some.float().norm(dim=-1)) for some in torch.split(rows, _ROWS)]
    products, norms = (torch.cat(kind) for kind in zip(*parts, strict=True))
    found: Tensor = products / (norms * row.norm()).clamp_min(1e-12)
    return found
