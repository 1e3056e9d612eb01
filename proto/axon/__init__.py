"""Axon's client: watch a language model's features as it generates, over gRPC.

`Client` (or `AsyncClient`) connects. `generate` yields `Queued`, `Started`, `Tokens`, `Edited`,
`BranchEnded` and `Finished`; `edit` gives a running branch other edits. `model` describes what is
served, `feature` reads one feature off the weights, `get_map` all features' places. Failures are
`AxonError`.
"""

from axon.aio import AsyncClient, AsyncGeneration
from axon.client import Client, Generation
from axon.edits import Branch, Edit
from axon.errors import AxonError, FieldViolation
from axon.feature_map import FeatureMap, MapDistrict, MapProgress, MapSource
from axon.requests import Knobs
from axon.types import (
    Alternative,
    BranchEnded,
    Continuation,
    Edited,
    EditedFeature,
    Event,
    Feature,
    FeatureNeighbor,
    Finished,
    Limits,
    Load,
    Model,
    ModelInfo,
    Params,
    Queued,
    Result,
    Source,
    SourceFeatures,
    Started,
    Timings,
    Token,
    TokenEffect,
    Tokens,
)

__all__ = [
    "Alternative",
    "AsyncClient",
    "AsyncGeneration",
    "AxonError",
    "Branch",
    "BranchEnded",
    "Client",
    "Continuation",
    "Edit",
    "Edited",
    "EditedFeature",
    "Event",
    "Feature",
    "FeatureMap",
    "FeatureNeighbor",
    "FieldViolation",
    "Finished",
    "Generation",
    "Knobs",
    "Limits",
    "Load",
    "MapDistrict",
    "MapProgress",
    "MapSource",
    "Model",
    "ModelInfo",
    "Params",
    "Queued",
    "Result",
    "Source",
    "SourceFeatures",
    "Started",
    "Timings",
    "Token",
    "TokenEffect",
    "Tokens",
]
