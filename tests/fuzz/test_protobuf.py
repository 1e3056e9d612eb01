"""Bytes that are not a message, or an unintended one."""

from __future__ import annotations

from typing import Any

import grpc
from axon.v1 import inference_pb2 as pb
from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import SLOTS, ModelServer

#: The allowed statuses for bytes that a caller made up; any other is a failure of the server.
_CALLERS_FAULT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}
_GENERATE = pb.GenerateRequest(
    prompt="the capital",
    max_tokens=1,
    sampling=pb.SamplingOptions(temperature=0.5, top_k=3, top_p=0.5, seed=7, stop=["x", "y"]),
    features=pb.FeatureOptions(sources=["model/0-sae"], top_k=3, threshold=0.5, include_bos=True),
)
_VALID = {
    "Generate": _GENERATE.SerializeToString(),
    "GetFeature": pb.GetFeatureRequest(source="model/0-sae", index=3, limit=2).SerializeToString(),
    "GetModel": b"",
    "GetNothing": b"",
}
_call = st.tuples(
    st.sampled_from([*_VALID, "Generate", "Generate", "GetFeature"]),
    st.one_of(st.none(), st.binary(max_size=40)),
    mutation.byte_edits,
)


@fuzz(_call, batch=SLOTS)
def test_each_is_answered_or_refused_as_the_callers_mistake(
    model: ModelServer, drawn: list[Any]
) -> None:
    calls = [
        (method, mutation.bytes_edited(_VALID[method], edits) if made_up is None else made_up)
        for method, made_up, edits in drawn
    ]
    for call, found in zip(calls, model.raw(calls), strict=True):
        if isinstance(found, grpc.RpcError):
            assert found.code() in _CALLERS_FAULT, (call, found)  # type: ignore[attr-defined]
