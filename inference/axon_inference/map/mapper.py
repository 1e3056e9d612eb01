"""The map of the loaded sources: found on disk, or made and kept there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import constants
from torch import Tensor

from axon_inference.catalog.selection import SourceSpec
from axon_inference.config import BUNDLED_MODEL, Settings
from axon_inference.engine.text import decoder
from axon_inference.map import kept
from axon_inference.map.background import Background, rows
from axon_inference.map.kept import NOWHERE, FeatureMap
from axon_inference.map.neighbours import unit
from axon_inference.map.plan import Plan
from axon_inference.model.device import inference
from axon_inference.model.features import Unembedding
from axon_inference.model.sources import Source

_log = logging.getLogger(__name__)

#: The bundled model's map, which comes with its weights.
BUNDLED = BUNDLED_MODEL / "map.npz"
# Tokens told of a district.
_TOKENS = 12


class Mapper:
    """What the map of loaded sources is made from, and where it is kept."""

    def __init__(
        self,
        settings: Settings,
        sources: Sequence[Source],
        specs: Sequence[SourceSpec],
        unembedding: Unembedding,
        tokenizer: Any,
    ) -> None:
        self.settings = settings
        self._sources, self._specs = sources, specs
        self._unembedding, self._tokenizer = unembedding, tokenizer

    @property
    def why_none(self) -> str:
        """Why there is no map, and will be none; empty if there will be one."""
        if self.settings.map == "off":
            return "this server makes no map (AXON_MAP=off)"
        if not any(source.writes_residual for source in self._sources):
            return "there is no map: no source writes to the residual stream"
        return ""

    def plan(self) -> Plan:
        """What the map is of; it reads the sources' files.

        Raises:
            Unservable: one has gone.
        """
        return Plan.of(self._sources, self._specs)

    def find(self, hash_: str) -> FeatureMap | None:
        """The map with this hash, if it is on disk."""
        for path in (BUNDLED, self.path(hash_)):
            try:
                found = kept.load(path)
            except FileNotFoundError:
                continue
            except (OSError, kept.Damaged) as error:
                _log.warning("a map cannot be used: %s", error)
                continue
            if found.hash == hash_:
                return found
        return None

    def keep(self, found: FeatureMap) -> None:
        """Keep a map on disk if that is possible: a service works without."""
        path = self.path(found.hash)
        try:
            kept.save(found, path)
        except OSError as error:
            _log.warning("the map cannot be kept, and is made again at the next start: %s", error)

    def path(self, hash_: str) -> Path:
        """Where a map is kept."""
        folder = self.settings.map_folder or Path(constants.HF_HOME) / "axon-maps"
        return folder / f"{hash_}.npz"

    def background(self, plan: Plan) -> Background:
        """What makes the map in a process of its own."""
        return Background(plan, partial(rows, self.settings, plan))

    def rows(self, plan: Plan) -> Sequence[Tensor]:
        """Of each storey the decoder's rows [width, d], as they are loaded."""
        return [self._sources[index].sae.W_dec for index in plan.sources]

    def promoted(self, plan: Plan, found: FeatureMap) -> list[list[str]]:
        """Of each district, the large ones first, the texts of the tokens that its features promote
        more than the average feature does, strongest first."""
        if not len(found.large):
            return []
        with inference(self._unembedding.gain.device):
            small = self._sums(plan, found)
            members = torch.from_numpy(np.bincount(found.district, minlength=NOWHERE + 1))
            counts = members[: len(small)].to(small)
            groups = torch.from_numpy(found.large.astype(np.int64)).to(small.device)
            large = small.new_zeros(int(groups.max()) + 1, small.shape[1])
            of_large = large.new_zeros(len(large)).index_add(0, groups, counts)
            sums = torch.cat([large.index_add(0, groups, small), small])
            means = sums / torch.cat([of_large, counts]).clamp_min(1)[:, None]
            average = small.sum(0) / counts.sum()
            decode = decoder(self._tokenizer)
            return [[decode([i]) for i in self._tokens(mean - average)] for mean in means]

    def _sums(self, plan: Plan, found: FeatureMap) -> Tensor:
        """The rows of unit length of each small district, added up: [small districts, d]."""
        total: Tensor | None = None
        for index, first in zip(plan.sources, found.first(), strict=True):
            source = self._sources[index]
            if not source.writes_residual:
                continue
            own = unit(source.sae.W_dec)
            district = found.district[first : first + len(own)].astype(np.int64)
            if total is None:
                total = own.new_zeros(len(found.large), own.shape[1])
            total.index_add_(0, torch.from_numpy(district).to(own.device), own)
        assert total is not None
        return total

    def _tokens(self, direction: Tensor) -> list[int]:
        effects = self._unembedding.effects(direction)[: len(self._tokenizer)]
        found: list[int] = effects.topk(min(_TOKENS, len(effects))).indices.tolist()
        return found


def ahead(mapper: Mapper, report: Callable[[str, float], None]) -> tuple[FeatureMap, Path]:
    """Make the map now and keep it. Returns it and where it is.

    Raises:
        Unservable: a source's file has gone.
        OSError: it cannot be written.
    """
    from axon_inference.map.making import make

    plan = mapper.plan()
    path = mapper.path(plan.hash)
    found = make(plan.storeys, mapper.rows(plan), plan.hash, report)
    kept.save(found, path)
    return found, path
