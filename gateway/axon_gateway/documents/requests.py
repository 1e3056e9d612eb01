"""JSON schemas of what clients send, made of the tables by which it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from axon import edits

from axon_gateway.openai import requests as openai
from axon_gateway.requests.commands import KNOBS
from axon_gateway.requests.edits import BRANCH, MAX_BRANCHES, MAX_EDITS
from axon_gateway.requests.explain import FIELDS
from axon_gateway.requests.fields import (
    MAX_NAME,
    MAX_SOURCES,
    UINT32,
    UINT64,
    boolean,
    nonzero,
    seed,
    sources,
    strings,
    uint32,
)
from axon_gateway.requests.hall import MAX_PERSON

Schema = dict[str, Any]

COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": UINT32}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
BOOL: Schema = {"type": "boolean"}
_NAME: Schema = {"type": "string", "maxLength": MAX_NAME}
_PERSON: Schema = {"type": "string", "maxLength": MAX_PERSON}
_SEED: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": UINT64},
        {"type": "string", "pattern": "^-?[0-9]{1,40}$"},
    ]
}


def listed(item: Schema, least: int = 0, most: int | None = None) -> Schema:
    """A list."""
    bounds = {name: n for name, n in (("minItems", least), ("maxItems", most)) if n}
    return {"type": "array", "items": item, **bounds}


def one_or_more(item: Schema, most: int | None = None) -> Schema:
    """A list, or what stands for a list of one."""
    return {"anyOf": [item, listed(item, most=most)]}


SOURCES = one_or_more(_NAME, MAX_SOURCES)
#: What each reader of a field takes.
_OF_READER: Mapping[Callable[[str, object], object], Schema] = {
    uint32: COUNT,
    nonzero: NUMBER,
    seed: _SEED,
    strings: one_or_more(TEXT),
    sources: SOURCES,
    boolean: BOOL,
}
#: And of each type of an edit's fields.
_OF_TYPE: Mapping[object, Schema] = {
    str: {"type": "string", "minLength": 1, "maxLength": 256},
    int: COUNT,
    int | None: COUNT,
    float | None: NUMBER,
    bool: BOOL,
    edits.Where | None: {"enum": ["while_firing", "everywhere"]},
    edits.Origin | None: {"enum": ["prompt", "generated"]},
}


def ref(name: str) -> Schema:
    """The schema of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(
    properties: Mapping[str, Schema], required: Sequence[str] = (), optional: Sequence[str] = ()
) -> Schema:
    """An object. Fields but those `required` may be left out, and those but `optional` be null,
    which is the same."""
    given = {
        name: one if name in (*required, *optional) else {"anyOf": [one, {"type": "null"}]}
        for name, one in properties.items()
    }
    told: Schema = {"type": "object", "properties": given, "additionalProperties": False}
    return {**told, "required": list(required)} if required else told


def _named(names: Sequence[str], schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """`schemas`, which are those of exactly the fields `names`."""
    assert set(names) == schemas.keys(), set(names) ^ schemas.keys()
    return {name: schemas[name] for name in names}


def _edit() -> Schema:
    types = get_type_hints(edits.Edit)
    properties = {one.name: _OF_TYPE[types[one.name]] for one in fields(edits.Edit)}
    return record({**properties, "unit": {"enum": ["max"]}}, ("source", "feature"))


EDITS: Schema = {"anyOf": [ref("Edit"), listed(ref("Edit"), most=MAX_EDITS)]}
_EXPLAIN = {"sources": SOURCES, "limit": COUNT}
_TOKEN: Schema = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {**record({"token_id": COUNT}, ("token_id",))},
    ]
}


def _generate() -> dict[str, Schema]:
    """The fields of a request for a generation, in the order of the reference."""
    return {
        "prompt": TEXT,
        "messages": listed(ref("Message"), 1),
        "model": TEXT,
        **{name: _OF_READER[reader] for name, reader in KNOBS.items()},
        "branches": listed(ref("Branch"), most=MAX_BRANCHES),
        "edits": EDITS,
        "explain": record(_EXPLAIN),
    }


def _question() -> dict[str, Schema]:
    return _named(
        FIELDS,
        {
            "model": TEXT,
            "prompt": {"type": "string", "minLength": 1},
            "token_ids": listed(COUNT, 1),
            "position": COUNT,
            "prompt_tokens": COUNT,
            "target": _TOKEN,
            "rival": _TOKEN,
            **_EXPLAIN,
            "edits": EDITS,
            "path": record(
                {"source": _NAME, "feature": COUNT, "position": COUNT}, ("source", "feature")
            ),
            "progress": BOOL,
        },
    )


def _openai(names: Sequence[str], own: Mapping[str, Schema]) -> dict[str, Schema]:
    without = {
        **openai.WITHOUT_IN_COMPLETION,
        **openai.WITHOUT_IN_CHAT,
    }
    schemas = {
        **{name: _generate()[name] for name in openai.SAME},
        **{name: {} for name in openai.NOTES},
        # Only what asks for nothing.
        **{name: {"enum": [*values, None]} for name, values in without.items() if name in names},
        "model": TEXT,
        "n": {"type": "integer", "minimum": 1, "maximum": openai.MOST_CHOICES},
        "stream": BOOL,
        "stream_options": record({"include_usage": BOOL, "include_obfuscation": {}}),
        "axon": ref("AxonOptions"),
        **own,
    }
    return _named(names, schemas)


def _axon() -> dict[str, Schema]:
    return {name: one for name, one in _generate().items() if name not in openai.NOT_IN_AXON}


def schemas() -> dict[str, Schema]:
    """The schemas of requests by name."""
    parts = listed(record({"type": {"const": "text"}, "text": TEXT}, ("type", "text")))
    prompt = {"type": "string", "minLength": 1}
    return {
        "Edit": _edit(),
        "Branch": record(
            _named(BRANCH, {"name": TEXT, "edits": EDITS, "seed": _SEED}),
        ),
        "Message": {
            **record(
                {
                    "role": {"type": "string", "minLength": 1},
                    "content": {"anyOf": [TEXT, parts]},
                },
                ("role", "content"),
            ),
            # OpenAI's clients send back what an answer has, such as `refusal`.
            "additionalProperties": {"type": "null"},
        },
        "Generate": record(
            {"type": {"const": "generate"}, **_generate(), "name": _PERSON},
            optional=("type", "prompt"),
        ),
        "Explain": record(_question()),
        "AxonOptions": record(_axon()),
        "Completion": record(
            _openai(
                openai.COMPLETION,
                {
                    "prompt": {"anyOf": [prompt, listed(prompt, 1)]},
                    "echo": BOOL,
                    "best_of": COUNT,
                    "logprobs": COUNT,
                },
            ),
            ("prompt",),
        ),
        "Chat": record(
            _openai(
                openai.CHAT,
                {
                    "messages": listed(ref("Message"), 1),
                    "max_completion_tokens": COUNT,
                    "logprobs": BOOL,
                    "top_logprobs": COUNT,
                },
            ),
            ("messages",),
        ),
    }
