"""Turns gRPC statuses into refusals: code, message, and the JSON name of the field at fault."""

from __future__ import annotations

from axon.errors import AxonError
from axon.requests import FIELDS

from axon_gateway.errors import Refusal

#: Parts of gRPC's messages about TLS, and what they mean.
_TLS_FAILURES = {
    "CERTIFICATE_VERIFY_FAILED": "has a certificate that AXON_BACKEND_TLS_CA does not cover",
    "Hostname Verification": "has a certificate for another name: see AXON_BACKEND_TLS_NAME",
    "WRONG_VERSION_NUMBER": "does not use TLS: see AXON_BACKEND_TLS_CA",
}

_JSON_NAMES = {
    **{path: name for name, path in FIELDS.items()},
    # Of Explain.
    "options.sources": "sources",
    "options.limit": "limit",
    "target.text": "target",
    "rival.text": "rival",
}
#: Codes that the service may give as the reason of a field violation.
_REASONS = frozenset(
    {
        "empty_prompt",
        "prompt_too_long",
        "out_of_range",
        "wrong_type",
        "unknown_source",
        "not_editable",
    }
)
#: Fields whose index and parts clients are told, since they are named alike in JSON.
_WHOLE = ("branches", "edits", "branch")


def translate(status: AxonError, target: str) -> Refusal:
    """The refusal for a gRPC status, with the field at fault under its JSON name."""
    match status.code:
        case "INVALID_ARGUMENT" | "OUT_OF_RANGE":
            return _invalid(status)
        case "NOT_FOUND":
            return Refusal("unknown_source", status.message, "sources")
        # Without a delay it comes from gRPC itself: a message is too large, and waiting is no help.
        case "RESOURCE_EXHAUSTED" if status.retry_after is not None:
            return Refusal("queue_full", status.message, retry_after=status.retry_after)
        case "DEADLINE_EXCEEDED":
            return Refusal("deadline", f"inference at {target} did not finish in time")
        case "UNAUTHENTICATED":
            return Refusal("not_ready", unavailable(status, target))
        case "UNAVAILABLE":
            return Refusal("not_ready", unavailable(status, target), retry_after=status.retry_after)
        case "UNIMPLEMENTED" | "FAILED_PRECONDITION":
            return Refusal(
                "not_possible", f"inference at {target} cannot do this: {status.message}"
            )
        case "INTERNAL" | "UNKNOWN" | "RESOURCE_EXHAUSTED":
            message = f"inference at {target} could not generate this: {status.message}"
            return Refusal("generation_failed", message)
    return Refusal("internal", f"inference at {target} failed: {status}")


def broken(status: AxonError) -> bool:
    """Whether a stream ended because the connection or the service did."""
    return status.code in ("UNAVAILABLE", "CANCELLED")


def unavailable(status: AxonError, target: str) -> str:
    """Why a service does not answer, in words for people."""
    if "unhealthy" in status.message:
        return loading(target)
    if status.code == "UNAUTHENTICATED":
        remedy = "set AXON_BACKEND_TOKEN to one of its AXON_GRPC_TOKENS"
        return f"inference at {target} wants an access token: {remedy}"
    for sign, meaning in _TLS_FAILURES.items():
        if sign in status.message:
            return f"inference at {target} {meaning}"
    if "failed to connect" in status.message.lower():
        # gRPC adds every address it tried, in its own notation, which does not help a user.
        return f"no inference service answers at {target}"
    return f"inference at {target} is not available: {status.message}"


def loading(target: str) -> str:
    """The message for a service that is up but not healthy."""
    return f"inference at {target} is loading its model"


def _invalid(status: AxonError) -> Refusal:
    if not status.violations:
        return Refusal("out_of_range", status.message)
    violation = status.violations[0]
    # A repeated field may be named with its index: "sampling.stop[2]".
    owner = violation.field.partition("[")[0]
    path = violation.field if owner in _WHOLE else owner
    field = _JSON_NAMES.get(path, path)
    defaults = {
        "prompt": "prompt_too_long",
        "sources": "unknown_source",
        "source": "unknown_source",
    }
    reason = violation.reason.lower()
    last = field.rpartition(".")[2]
    code = reason if reason in _REASONS else defaults.get(last, "out_of_range")
    # The service names fields as in the .proto file; clients know their JSON names.
    text = (violation.description or status.message).replace(path, field)
    return Refusal(code, text if text.startswith(field) else f"{field} {text}", field)
