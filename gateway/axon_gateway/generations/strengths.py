"""Strengths of edits in multiples of a feature's largest known activation."""

from __future__ import annotations

from collections.abc import Iterable

from axon_gateway.backends.upstream import Upstream
from axon_gateway.errors import Refusal
from axon_gateway.labels.labels import Labels
from axon_gateway.requests import InMaxima


async def in_sae_units(found: Iterable[InMaxima], labels: Labels, upstream: Upstream) -> None:
    """Gives each edit its strength in the SAE's units. Refusal where no maximum is known."""
    for one in found:
        maximum = await _maximum(one, labels, upstream)
        if one.edit.HasField("set"):
            one.edit.set *= maximum
        else:
            one.edit.add *= maximum


async def _maximum(one: InMaxima, labels: Labels, upstream: Upstream) -> float:
    source, index = one.edit.source, one.edit.feature
    # Checked first: labels would keep a place for any source that they are asked about.
    width = await upstream.width(source)
    if not width:
        field = f"{one.field}.source"
        raise Refusal("unknown_source", f"{field} is {source}, which is not served here", field)
    if index >= width:
        field = f"{one.field}.feature"
        raise Refusal("out_of_range", f"{field} is {index}; it must be 0 to {width - 1}", field)
    await labels.hold([source])
    maximum = labels.maximum(source, index)
    if maximum is None:
        maximum = (await labels.feature(source, index)).max_activation
    if not maximum:
        field = f"{one.field}.unit"
        why = f"no largest activation of {source}/{index} is known; leave it out"
        raise Refusal("no_maximum", f"{field}: {why}", field)
    return maximum
