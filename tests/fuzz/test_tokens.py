"""Prompts that a tokenizer turns into ids beyond the vocabulary."""

from __future__ import annotations

from typing import Any

import grpc
from axon.v1 import inference_pb2 as pb
from hypothesis import strategies as st

from .conftest import BEYOND
from .inputs import fuzz
from .subjects import SLOTS, ModelServer

_piece = st.one_of(
    st.sampled_from([BEYOND, BEYOND, BEYOND[:-1], " ", "the", " capital", "<|endoftext|>", "\n"]),
    st.text(st.characters(codec="utf-8"), max_size=4),
)
_prompt = st.lists(_piece, min_size=1, max_size=6).map("".join)


@fuzz(_prompt, batch=SLOTS)
def test_each_is_refused_by_name_or_served(model: ModelServer, drawn: list[str]) -> None:
    requests = [pb.GenerateRequest(prompt=prompt, max_tokens=1) for prompt in drawn]
    for prompt, found in zip(drawn, model.all_at_once(requests), strict=True):
        served_or_invalid(found)
        if BEYOND in prompt:
            assert isinstance(found, grpc.RpcError), "an id that the model has no row for"


def served_or_invalid(found: Any) -> None:
    """The answer is a complete generation or INVALID_ARGUMENT."""
    if isinstance(found, grpc.RpcError):
        assert found.code() is grpc.StatusCode.INVALID_ARGUMENT, found  # type: ignore[attr-defined]
    else:
        assert found[-1].WhichOneof("event") == "finished"
