"""gRPC statuses as refusals."""

from __future__ import annotations

import pytest
from axon.errors import AxonError, FieldViolation
from axon.requests import FIELDS
from axon.v1 import inference_pb2 as pb
from axon_gateway.backends.statuses import translate


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [
        ("NOT_FOUND", "unknown_source", 400),
        ("RESOURCE_EXHAUSTED", "queue_full", 429),
        ("DEADLINE_EXCEEDED", "deadline", 504),
        ("UNAVAILABLE", "not_ready", 503),
        ("INTERNAL", "generation_failed", 500),
        ("UNKNOWN", "generation_failed", 500),
        ("UNIMPLEMENTED", "not_possible", 501),
        ("DATA_LOSS", "internal", 500),
    ],
)
def test_statuses_have_codes(code: str, expected: str, status: int) -> None:
    refusal = translate(AxonError(code, "why", retry_after=1.5), "host:1")
    assert (refusal.code, refusal.status) == (expected, status)


def test_a_message_too_large_for_grpc_is_no_full_queue() -> None:
    """gRPC uses the same status for both; only a full queue says when to try again."""
    message = "received trailing metadata size exceeds hard limit"
    refusal = translate(AxonError("RESOURCE_EXHAUSTED", message), "host:1")
    assert (refusal.code, refusal.status, refusal.retry_after) == ("generation_failed", 500, None)
    assert message in refusal.message


@pytest.mark.parametrize(
    ("path", "description", "message"),
    [
        ("features.top_k", "is 999; it must be 0 to 64", "feat_k is 999; it must be 0 to 64"),
        ("features.top_k", "features.top_k is too large", "feat_k is too large"),
        ("prompt", "", "prompt: the status"),
    ],
)
def test_messages_name_the_json_field(path: str, description: str, message: str) -> None:
    violation = FieldViolation(path, description)
    status = AxonError("INVALID_ARGUMENT", "prompt: the status", (violation,))
    assert translate(status, "host:1").message == message


@pytest.mark.parametrize(
    ("path", "reason", "code"),
    [
        ("branches", "OUT_OF_RANGE", "out_of_range"),
        ("branches[1].edits[0].feature", "", "out_of_range"),
        ("branches[1].edits[0].source", "", "unknown_source"),
        ("edits[2].source", "NOT_EDITABLE", "not_editable"),
        ("edits[2].source", "A_NEW_ONE", "unknown_source"),
        ("branch", "OUT_OF_RANGE", "out_of_range"),
    ],
)
def test_edits_are_named_with_their_place(path: str, reason: str, code: str) -> None:
    status = AxonError("INVALID_ARGUMENT", "x", (FieldViolation(path, "is wrong", reason),))
    refusal = translate(status, "host:1")
    assert (refusal.code, refusal.field) == (code, path)
    assert refusal.message == f"{path} is wrong"


def test_a_refusal_without_details_still_has_a_code() -> None:
    refusal = translate(AxonError("INVALID_ARGUMENT", "bad"), "host:1")
    assert (refusal.code, refusal.field, refusal.message) == ("out_of_range", None, "bad")


def test_every_json_name_is_a_field_of_the_request() -> None:
    for path in FIELDS.values():
        message = pb.GenerateRequest.DESCRIPTOR
        *owners, last = path.split(".")
        for owner in owners:
            message = message.fields_by_name[owner].message_type
        assert last in message.fields_by_name
