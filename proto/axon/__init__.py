"""Axon's client: watch a language model's features as it generates, over gRPC.

`Client` (or `AsyncClient`) connects; `generate` yields `Queued`, `Started`, `Tokens` and
`Finished`; `model` describes what is served, `feature` reads one feature off the weights. Failures
are `AxonError`.
"""

from axon.aio import AsyncClient, AsyncGeneration
from axon.client import Client, Generation
from axon.errors import AxonError, FieldViolation
from axon.messages import Knobs
from axon.types import (
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
    Source,
    SourceFeatures,
    Started,
    Timings,
    Token,
    TokenEffect,
    Tokens,
)

__all__ = [
    "AsyncClient",
    "AsyncGeneration",
    "AxonError",
    "Client",
    "Event",
    "Feature",
    "FeatureNeighbor",
    "FieldViolation",
    "Finished",
    "Generation",
    "Knobs",
    "Limits",
    "Load",
    "Model",
    "ModelInfo",
    "Params",
    "Queued",
    "Source",
    "SourceFeatures",
    "Started",
    "Timings",
    "Token",
    "TokenEffect",
    "Tokens",
]
