"""Sampling knobs: denormals, extremes, all of them together."""

from __future__ import annotations

import math
from typing import Any

from axon.v1 import inference_pb2 as pb
from hypothesis import strategies as st

from .inputs import fuzz
from .subjects import SLOTS, ModelServer
from .test_tokens import served_or_invalid

_SMALL = (1e-45, 1e-42, 1e-40, 1.17549435e-38, 1e-38, 1e-37, 1e-30, 1e-12, 1e-6)
_float = st.one_of(
    st.sampled_from((0.0, -0.0, *_SMALL, 0.1, 0.5, 0.999999, 1.0, 10.0, 1e38, math.inf, math.nan)),
    st.sampled_from((0.1, 0.5, 0.8, 1.0, 2.0, 10.0)),
    st.floats(width=32),
)
_count = st.one_of(st.sampled_from((0, 1, 2, 40, 399, 400, 401, 2**31, 2**32 - 1)))
_knobs = st.fixed_dictionaries(
    {},
    optional={
        "temperature": _float,
        "top_p": _float,
        "top_k": _count,
        "repetition_penalty": _float,
        "seed": st.one_of(st.sampled_from((0, 1, 2**63, 2**64 - 1)), st.integers(0, 2**64 - 1)),
        "stop": st.lists(st.text(st.characters(codec="utf-8"), max_size=2), max_size=3),
    },
)


@fuzz(_knobs, batch=SLOTS)
def test_each_is_refused_by_name_or_served(model: ModelServer, drawn: list[Any]) -> None:
    requests = [
        pb.GenerateRequest(
            prompt="the capital of", max_tokens=2, sampling=pb.SamplingOptions(**knobs)
        )
        for knobs in drawn
    ]
    for found in model.all_at_once(requests):
        served_or_invalid(found)
        for response in found if isinstance(found, list) else ():
            assert all(math.isfinite(token.logprob) for token in response.tokens.tokens)
