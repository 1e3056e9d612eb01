"""`Refusal`: an error that clients are told, with its code in JSON and its HTTP status."""

from __future__ import annotations

from typing import Any

#: HTTP status by code; every code not listed is the client's mistake, 400.
STATUS = {
    "unknown_room": 404,
    "unknown_feature": 404,
    "unknown_model": 400,
    "no_map": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "no_access": 401,
    "foreign_origin": 403,
    "unknown_host": 403,
    "not_presenter": 403,
    "busy": 409,
    "not_running": 409,
    "question_open": 409,
    "question_closed": 409,
    "too_many_votes": 429,
    "line_full": 429,
    "too_slow": 408,
    "message_too_big": 413,
    "unsupported_encoding": 415,
    "too_fast": 429,
    "too_many_sockets": 429,
    "too_many_generations": 429,
    "too_many_questions": 429,
    "queue_full": 429,
    "internal": 500,
    "not_possible": 501,
    "generation_failed": 500,
    "not_ready": 503,
    "backend_lost": 503,
    "labels_unavailable": 503,
    "rooms_unavailable": 503,
    "gateway_lost": 503,
    "gateway_stopping": 503,
    "too_many_rooms": 503,
    "too_many_recordings": 503,
    "deadline": 504,
}


class Refusal(Exception):
    """A request that is refused or a generation that broke off.

    `code` is stable and meant for programs, `message` for people, `field` names the JSON field at
    fault (None where no single one is), `retry_after` is in how many seconds to try again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        #: The socket's question that it answers, if it answers one.
        self.id: str | None = None
        #: Whether the metrics have it already.
        self.counted = False

    @classmethod
    def of(cls, body: dict[str, Any]) -> Refusal:
        """The refusal whose `body` this is."""
        return cls(body["error"], body["message"], body["field"], body.get("retry_after"))

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUS.get(self.code, 400)

    def body(self) -> dict[str, object]:
        """The JSON object of an HTTP answer, and the content of an `error` frame."""
        body: dict[str, object] = {
            "error": self.code,
            "message": self.message,
            "field": self.field,
        }
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        if self.id is not None:
            body["id"] = self.id
        return body


def not_running() -> Refusal:
    """What a client is told who stops or edits what does not run."""
    return Refusal("not_running", "no generation is running in this room")


def our_failure() -> Refusal:
    """What clients are told of a failure in the gateway itself; the log has the details."""
    return Refusal("internal", "the gateway failed; its log says how")
