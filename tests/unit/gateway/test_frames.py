"""The frames that clients get."""

from __future__ import annotations

import json
import math
import struct

import pytest
from axon.v1 import inference_pb2 as pb
from axon_gateway import frames
from axon_gateway.errors import Refusal
from axon_gateway.frames import TokenFrames
from hypothesis import given
from hypothesis import strategies as st


def token(**values: object) -> pb.Token:
    return pb.Token(
        position=3,
        text=" Paris",
        source_features=[
            pb.SourceFeatures(source=1, ids=[9, 4], activations=[2.5, 1.00004]),
            pb.SourceFeatures(source=0, ids=[9], activations=[0.1]),
        ],
        **values,  # type: ignore[arg-type]
    )


def known(source: str, index: int) -> str | None:
    return "capitals" if (source, index) == ("b", 9) else None


def facts(source: str, index: int) -> dict[str, float]:
    return {"max": 14.5, "score": 0.75} if (source, index) == ("b", 9) else {}


def test_features_name_their_source_and_layer_in_the_order_they_came() -> None:
    frame = TokenFrames(("a", "b"), {"a": 0, "b": 5}, known, facts).token(token(logprob=-0.5))
    activations = [feature.pop("activation") for feature in frame["features"]]
    assert activations == pytest.approx([2.5, 1.00004, 0.1])
    assert frame["features"] == [
        {"id": 9, "label": "capitals", "layer": 5, "source": "b", "max": 14.5, "score": 0.75},
        # Without a label the key is absent and not null, so that a label is always text.
        {"id": 4, "layer": 5, "source": "b"},
        {"id": 9, "layer": 0, "source": "a"},
    ]


def test_what_is_known_of_a_feature_is_sent_once_in_a_generation_when_it_is_known() -> None:
    known_now: dict[tuple[str, int], dict[str, float]] = {}
    builder = TokenFrames(
        ("a", "b"), {"a": 0, "b": 5}, known, lambda *feature: known_now.get(feature, {})
    )

    def told() -> list[list[float | None]]:
        features = builder.token(token())["features"]
        return [[one.get(name) for name in frames.FACTS] for one in features]

    nothing: list[float | None] = [None, None, None]
    assert told() == [nothing] * 3
    known_now["b", 4] = {"max": 7.5, "density": 0.25}
    assert told() == [nothing, [7.5, None, 0.25], nothing]
    assert told() == [nothing] * 3


def test_late_labels_come_with_what_is_known_of_their_features() -> None:
    frame = frames.labels("b", {9: "capitals", 4: "seas"}, facts)
    assert frame["labels"] == {"9": "capitals", "4": "seas"}
    assert [frame[name] for name in frames.FACTS] == [{"9": 14.5}, {"9": 0.75}, {}]


def test_tokens_have_their_id_and_each_sources_l0_and_error() -> None:
    found = [
        pb.SourceFeatures(source=1, l0=31, reconstruction_error=0.125),
        pb.SourceFeatures(source=0, l0=0, reconstruction_error=1 / 3),
        # The reconstruction error of a zero vector is undefined.
        pb.SourceFeatures(source=2, l0=0, reconstruction_error=math.nan),
    ]
    told = pb.Token(token_id=6342, text=" Paris", source_features=found)
    builder = TokenFrames(("a", "b", "c"), {"a": 0, "b": 5, "c": 6}, known, facts)
    for frame in (builder.token(told), builder.prompt([told])["tokens"][0]):
        assert frame["token_id"] == 6342
        assert frame["l0"] == {"b": 31, "a": 0, "c": 0}
        assert frame["reconstruction_error"] == {"b": 0.125, "a": 0.3333}


@given(st.floats(0, 2**100, width=32))
def test_activations_are_exact_to_the_last_bit(activation: float) -> None:
    found = pb.SourceFeatures(ids=[1], activations=[activation])
    builder = TokenFrames(("a",), {"a": 0}, known, facts)
    frame = builder.token(pb.Token(source_features=[found]))
    [feature] = json.loads(frames.encode(frame, 1))["features"]
    assert struct.pack("f", feature["activation"]) == struct.pack("f", activation)


def test_steps_count_generated_tokens() -> None:
    builder = TokenFrames(("a", "b"), {"a": 0, "b": 5}, known, facts)
    builder.prompt([token()])
    assert [builder.token(token())["step"] for _ in range(3)] == [0, 1, 2]
    assert builder.steps == 3


def test_a_missing_logprob_is_null() -> None:
    assert TokenFrames(("a", "b"), {"a": 0, "b": 5}, known, facts).token(token())["logprob"] is None


def test_a_number_that_json_cannot_represent_becomes_null() -> None:
    frame = TokenFrames(("a", "b"), {"a": 0, "b": 5}, known, facts).token(
        token(logprob=float("-inf"))
    )
    assert json.loads(frames.encode(frame, 1))["logprob"] is None


def test_a_seed_of_64_bits_survives_javascript() -> None:
    event = pb.Started(sampling=pb.SamplingOptions(seed=2**64 - 1, temperature=0.8))
    params = frames.started(event, "x")["params"]
    assert params["seed"] == "18446744073709551615"
    assert params["temperature"] == 0.8


def test_a_cancelled_generation_is_stopped_not_done() -> None:
    done = frames.finished(pb.Finished(reason=pb.FINISH_REASON_STOP))
    cancelled = frames.finished(pb.Finished(reason=pb.FINISH_REASON_CANCELLED))
    assert (done["status"], done["reason"]) == ("done", "stop")
    assert (cancelled["status"], cancelled["reason"]) == ("stopped", "cancelled")


def test_a_batch_holds_its_frames_unchanged() -> None:
    single = [frames.encode(frames.queued(pb.Queued(position=n)), n) for n in (1, 2)]
    batch = json.loads(frames.encode_batch(single, 2))
    assert batch == {"type": "batch", "seq": 2, "frames": [json.loads(f) for f in single]}


def test_an_error_says_when_to_retry_only_if_known() -> None:
    assert "retry_after" not in frames.error(Refusal("busy", "no"))
    assert frames.error(Refusal("queue_full", "no", retry_after=2))["retry_after"] == 2
