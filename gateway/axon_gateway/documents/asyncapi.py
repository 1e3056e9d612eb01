"""The AsyncAPI 3 document: the messages of the live socket."""

from __future__ import annotations

from typing import Any

from axon_gateway.documents import VERSION, frames, requests
from axon_gateway.documents.frames import KINDS
from axon_gateway.documents.requests import (
    BOOL,
    COUNT,
    NUMBER,
    TEXT,
    Schema,
    listed,
    one_or_more,
    record,
    ref,
)
from axon_gateway.requests import hall
from axon_gateway.requests.commands import MAX_FILTER, MAX_FILTERS, MAX_POSE
from axon_gateway.requests.explain import MAX_ID


def _short(most: int) -> Schema:
    return {**TEXT, "maxLength": most}


#: What a client may send, without `type`: the fields, and those that must be there.
_ID: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
_SENT: dict[str, tuple[dict[str, Schema], tuple[str, ...]]] = {
    "enter": ({"access": TEXT, "token": TEXT, "voter": _short(hall.MAX_ID)}, ()),
    "stop": ({}, ()),
    "open": ({"open": BOOL}, ("open",)),
    "share": ({}, ()),
    "view": (
        {
            "pose": listed(NUMBER, most=MAX_POSE),
            "feature": TEXT,
            "token": COUNT,
            "filters": one_or_more(_short(MAX_FILTER), MAX_FILTERS),
            "sources": requests.SOURCES,
        },
        ("pose",),
    ),
    "question": (
        {
            "kind": {"enum": ["turn", "guess"]},
            "text": _short(hall.MAX_TEXT),
            "options": listed(
                record({"text": _short(hall.MAX_OPTION), "edit": ref("Edit")}, ("text",)),
                most=hall.MOST_OPTIONS,
            ),
            "branch": COUNT,
            "position": COUNT,
        },
        ("kind", "text", "options"),
    ),
    "vote": (
        {
            "question": _short(hall.MAX_ID),
            "option": {**COUNT, "maximum": hall.MOST_OPTIONS - 1},
            "word": _short(hall.MAX_WORD),
        },
        ("question",),
    ),
    "close": (
        {"question": _short(hall.MAX_ID), "answer": _short(hall.MAX_OPTION)},
        ("question",),
    ),
    "leave": ({"place": _short(hall.MAX_ID)}, ()),
    "ping": ({}, ()),
}


_CANCEL = ("id", "cancel")


def document() -> dict[str, Any]:
    """The document."""
    schemas = {**requests.schemas(), **frames.schemas()}
    question = schemas["Explain"]["properties"]
    sent = {
        "generate": ref("Generate"),
        "explain": _typed("explain", {"id": _ID, "cancel": {"const": False}, **question}, ("id",)),
        "explain.cancel": _typed("explain", {"id": _ID, "cancel": {"const": True}}, _CANCEL),
        "edit": _typed("edit", {"branch": COUNT, "edits": requests.EDITS}, ("edits",)),
        # What they have besides is not looked at.
        **{
            kind: {**_typed(kind, *told), "additionalProperties": True}
            for kind, told in _SENT.items()
        },
    }
    received = [*KINDS, "batch"]
    messages = {
        f"send.{kind}": {"name": kind.partition(".")[0], "payload": one}
        for kind, one in sent.items()
    } | {kind: {"name": kind, "payload": ref(f"Frame.{kind}")} for kind in received}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Axon's live socket",
            "version": VERSION,
            "description": "One JSON object a message. docs/frames.md says what each means.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/ws",
                "messages": {name: _to("components", "messages", name) for name in messages},
                "bindings": {"ws": {"method": "GET", "query": _query()}},
            }
        },
        "operations": {
            "ask": {
                "action": "receive",
                "channel": _to("channels", "socket"),
                "messages": [_message(f"send.{kind}") for kind in sent],
            },
            "tell": {
                "action": "send",
                "channel": _to("channels", "socket"),
                "messages": [_message(kind) for kind in received],
            },
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _typed(kind: str, fields: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    return record({"type": {"const": kind}, **fields}, ("type", *required))


def _query() -> Schema:
    """What the socket's address may have."""
    names = {
        "room": "the room to enter; without it, a new one is opened",
        "from": "EPOCH:SEQ, the first frame wanted",
        "enter": "the first message is `enter`, with the tokens",
        "access": "the access token",
        "token": "the presenter's token of the room",
    }
    return {
        "type": "object",
        "properties": {name: {**TEXT, "description": what} for name, what in names.items()},
    }


def _to(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _message(name: str) -> dict[str, str]:
    return _to("channels", "socket", "messages", name)
