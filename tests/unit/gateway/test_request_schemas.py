"""The documented schemas of requests against what reads them, field by field."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from axon_gateway.documents import asyncapi, openapi, requests
from axon_gateway.errors import Refusal
from axon_gateway.openai.requests import chat, completion
from axon_gateway.requests import enter, generate, parse, question
from jsonschema import Draft202012Validator

SCHEMAS = requests.schemas()
EDIT = {"source": "m/s", "feature": 1, "set": 1}
#: A value of each kind, some of which some fields take.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2.5, -1, 9, 2**32, 2**64, "", "x", "7", "max", "prompt", "generate"),
    *([], [1], ["x"], [[1]], [{}], {}, {"x": 1}, {"type": "text"}, {"token_id": 1}),
    *(EDIT, [EDIT], {**EDIT, "x": 1}, {"include_usage": True}, {"include_usage": 1}),
    *({"sources": ["m/s"], "limit": 3}, {"source": "m/s", "feature": 1, "position": None}),
    *([{"role": "user", "content": "x"}], [{"role": "user", "content": [{"type": "text"}]}]),
    *([{"name": "a", "edits": [EDIT], "seed": "7"}], [{"name": 1}], [{"edits": [{}]}]),
)


def generate_of_http(fields: dict[str, Any]) -> object:
    fields.pop("type", None)
    return generate(fields)


BODIES: dict[str, tuple[Callable[[dict[str, Any]], object], dict[str, Any]]] = {
    "Generate": (generate_of_http, {"prompt": "x"}),
    "Explain": (lambda fields: question(json.dumps(fields), 10**6), {"prompt": "x"}),
    "Completion": (completion, {"prompt": "x"}),
    "Chat": (chat, {"messages": [{"role": "user", "content": "x"}]}),
    "AxonOptions": (lambda fields: completion({"prompt": "x", "axon": fields}), {}),
    "Edit": (lambda fields: generate({"prompt": "x", "edits": [fields]}), EDIT),
    "Branch": (lambda fields: generate({"prompt": "x", "branches": [fields]}), {}),
    "Message": (lambda fields: generate({"messages": [fields]}), {"role": "user", "content": "x"}),
}


#: What a socket takes: its fields without the type, and those that must be there.
MESSAGES: dict[str, dict[str, Any]] = {
    "generate": {"prompt": "x"},
    "explain": {"id": "1", "prompt": "x"},
    "explain.cancel": {"id": "1", "cancel": True},
    "edit": {"edits": []},
    "open": {"open": True},
    "view": {"pose": []},
    "enter": {},
}


def check(
    read: Callable[[dict[str, Any]], object], least: dict[str, Any], schema: dict[str, Any]
) -> None:
    """Each field with each value is read if and only if the schema takes it."""
    whole = {**schema, "components": {"schemas": SCHEMAS}}
    validator = Draft202012Validator(whole)
    named = SCHEMAS.get(schema.get("$ref", "").rpartition("/")[2], schema)
    for field, value in itertools.product([*named["properties"], "nothing"], VALUES):
        if field == "type":
            continue
        fields = json.loads(json.dumps({**least, field: value}))
        valid, refusal = validator.is_valid(fields), refusal_of(read, fields)
        if refusal is None:
            assert valid, (field, value)
        # What depends on other fields, or is a matter of the model's, no schema says.
        elif refusal.code in ("wrong_type", "unknown_field"):
            assert not valid, (field, value, refusal.message)


def refusal_of(read: Callable[[dict[str, Any]], object], fields: dict[str, Any]) -> Refusal | None:
    try:
        read(fields)
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize("name", BODIES)
def test_a_schema_takes_what_is_read_and_nothing_else(name: str) -> None:
    check(*BODIES[name], requests.ref(name))


@pytest.mark.parametrize("kind", MESSAGES)
def test_so_does_that_of_a_sockets_message(kind: str) -> None:
    read = enter if kind == "enter" else parse
    schema = asyncapi.document()["components"]["messages"][f"send.{kind}"]["payload"]
    least = {"type": kind.partition(".")[0], **MESSAGES[kind]}
    check(lambda fields: read(json.dumps(fields), 10**6), least, schema)


def test_every_schema_of_a_request_is_tried() -> None:
    assert BODIES.keys() == SCHEMAS.keys()
    assert {one.body for one in openapi.OPERATIONS.values() if one.body} <= BODIES.keys()
