"""The OpenAPI 3.1 document: the routes, their docstrings, and what each takes and answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from axon_gateway.documents import VERSION, frames, requests
from axon_gateway.documents.frames import INTEGER, nullable, told
from axon_gateway.documents.requests import BOOL, NUMBER, TEXT, Schema, listed, ref

#: A path's part in braces, with the pattern that aiohttp takes and OpenAPI does not.
_PART = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_JSON = "application/json"
_LINES = {"type": "string", "description": "One JSON object a line; each is a frame."}
_EVENTS = {"type": "string", "description": "Server-sent events; each holds a chunk as JSON."}
_BINARY = {"type": "string", "format": "binary"}
_FILE = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers; its path and its docstring say the rest."""

    #: Content types of a good answer, and what is in each.
    answers: Mapping[str, Schema]
    #: What may be in the query.
    query: Mapping[str, Schema] = field(default_factory=dict)
    #: Those of them that must.
    required: tuple[str, ...] = ()
    #: The name of the schema of its body, and an example of it.
    body: str = ""
    example: Mapping[str, Any] = field(default_factory=dict)
    #: Further statuses of a good answer, and what they mean.
    also: Mapping[str, str] = field(default_factory=dict)


_MODEL = {"model": TEXT}
_TOKENS = nullable(listed(told({"token": TEXT, "token_id": INTEGER, "logit": NUMBER})))
_FACTS = {
    "label": nullable(TEXT),
    "explainer": nullable(TEXT),
    "score": nullable(NUMBER),
    "density": nullable(NUMBER),
    "max_activation": nullable(NUMBER),
}
_FOUND = told(
    {"features": listed(told({"source": TEXT, "index": INTEGER, "label": TEXT}))},
)
_FEATURE = told(
    {
        "model": TEXT,
        "source": TEXT,
        "index": INTEGER,
        **_FACTS,
        "neuronpedia_url": nullable(TEXT),
        "promoted": _TOKENS,
        "suppressed": _TOKENS,
        "neighbors": nullable(listed(told({"index": INTEGER, "cosine": NUMBER}))),
        "kin": nullable(
            listed(
                told(
                    {
                        "source": TEXT,
                        "index": INTEGER,
                        "label": nullable(TEXT),
                        "cosine": NUMBER,
                        "mutual": BOOL,
                    }
                )
            )
        ),
        "examples": nullable(listed(told({"tokens": listed(TEXT), "activations": listed(NUMBER)}))),
        "weights_error": nullable(TEXT),
    }
)
_ANY: Schema = {"type": "object"}
_SERVED = told(
    {
        "model": TEXT,
        "sources": listed(
            told(
                {
                    "id": TEXT,
                    "hook": TEXT,
                    "layer": INTEGER,
                    "width": INTEGER,
                    "architecture": TEXT,
                    "neuronpedia_url": nullable(TEXT),
                    "not_editable": nullable(TEXT),
                }
            )
        ),
        "params": _ANY,
        "limits": _ANY,
        "load": _ANY,
        "info": _ANY,
        "map": nullable(_ANY),
        "models": listed(told({"model": TEXT, "ready": BOOL})),
    }
)
_OPENAI_MODEL = told({"id": TEXT, "object": {"const": "model"}, "created": INTEGER})
_USAGE = told(
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), INTEGER),
)


def _choices(**own: Schema) -> Schema:
    """An answer of OpenAI's form whose choices have `own` beside what all have."""
    choice = told(
        {**own, "index": INTEGER, "finish_reason": TEXT, "logprobs": nullable(_ANY)},
        {"axon": _ANY},
    )
    always = {"id": TEXT, "object": TEXT, "created": INTEGER, "model": TEXT, "usage": _USAGE}
    return told({**always, "choices": listed(choice)})


_MESSAGE = told({"role": {"const": "assistant"}, "content": TEXT})

_PROMPT = {"prompt": "The capital of France is"}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/healthz"): Operation({_JSON: told({"status": TEXT})}),
    ("GET", "/readyz"): Operation({_JSON: told({"status": TEXT, "labels": TEXT, "models": _ANY})}),
    ("GET", "/metrics"): Operation({"text/plain": TEXT}),
    ("GET", "/api/model"): Operation({_JSON: _SERVED}, _MODEL),
    ("GET", "/api/map"): Operation(
        {"application/octet-stream": _BINARY},
        {**_MODEL, "v": TEXT},
        also={"202": "The map is being made.", "304": "The client has this map."},
    ),
    ("GET", "/api/features"): Operation(
        {_JSON: _FOUND},
        {
            **_MODEL,
            "label": {"type": "string", "minLength": 1, "maxLength": 200},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        ("label",),
    ),
    ("GET", "/api/features/{model}/{source}"): Operation(
        {_JSON: told({"features": frames.by_source(_ANY)})},
        {"index": {"type": "string", "pattern": "^[0-9]{1,10}(,[0-9]{1,10})*$"}},
        ("index",),
    ),
    ("GET", "/api/features/{model}/{source}/{index}"): Operation({_JSON: _FEATURE}),
    ("POST", "/api/generate"): Operation(
        {"application/x-ndjson": _LINES}, body="Generate", example={**_PROMPT, "feat_k": 3}
    ),
    ("POST", "/api/explain"): Operation(
        {"application/x-ndjson": _LINES}, body="Explain", example={**_PROMPT, "target": " Paris"}
    ),
    ("GET", "/api/rooms/{room}/recording.jsonl"): Operation({"application/x-ndjson": _LINES}),
    ("GET", "/api/docs"): Operation({"text/html": _FILE}),
    ("GET", "/api/docs/style.css"): Operation({"text/css": _FILE}),
    ("GET", "/api/docs/openapi.json"): Operation({_JSON: _ANY}),
    ("GET", "/api/docs/asyncapi.json"): Operation({_JSON: _ANY}),
    ("GET", "/v1/models"): Operation(
        {_JSON: told({"object": {"const": "list"}, "data": listed(_OPENAI_MODEL)})}
    ),
    ("GET", "/v1/models/{model}"): Operation({_JSON: _OPENAI_MODEL}),
    ("POST", "/v1/completions"): Operation(
        {_JSON: _choices(text=TEXT), "text/event-stream": _EVENTS},
        body="Completion",
        example={**_PROMPT, "logprobs": 2, "axon": {"feat_k": 3}},
    ),
    ("POST", "/v1/chat/completions"): Operation(
        {_JSON: _choices(message=_MESSAGE), "text/event-stream": _EVENTS},
        body="Chat",
        example={"messages": [{"role": "user", "content": "What is the capital of France?"}]},
    ),
}

#: Not HTTP, or what answers that a path does not exist.
_LEFT_OUT = ("/ws",)


def document(routes: Iterable[web.RouteDef]) -> dict[str, Any]:
    """The document. Raises KeyError for a route that `OPERATIONS` does not have."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.method == "*" or route.path in _LEFT_OUT:
            continue
        path = _PART.sub(r"{\1}", route.path)
        told = _told(path, route, OPERATIONS[route.method, path])
        paths.setdefault(path, {})[route.method.lower()] = told
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Axon's gateway",
            "version": VERSION,
            "description": "A language model and the features that are active in it. The live "
            "socket `/ws` is described by `asyncapi.json`.",
        },
        # This document lies two folders below the server's root.
        "servers": [{"url": "../.."}],
        # Needed if the server has access tokens.
        "security": [{}, {"bearer": []}, {"access": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **requests.schemas(),
                **frames.schemas(),
                "Error": frames.error(),
                "OpenAIError": _openai_error(),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "access": {"type": "apiKey", "in": "query", "name": "access"},
            },
        },
    }


def _told(path: str, route: web.RouteDef, operation: Operation) -> dict[str, Any]:
    text = inspect.getdoc(route.handler) or ""
    parts = [
        {"name": name, "in": "path", "required": True, "schema": TEXT}
        for name in _PART.findall(path)
    ]
    query = [
        {"name": name, "in": "query", "required": name in operation.required, "schema": schema}
        for name, schema in operation.query.items()
    ]
    error = ref("OpenAIError" if path.startswith("/v1/") else "Error")
    refused = {"description": "Refused.", "content": {_JSON: {"schema": error}}}
    content = {kind: {"schema": schema} for kind, schema in operation.answers.items()}
    told: dict[str, Any] = {
        "operationId": getattr(route.handler, "__name__", path),
        "summary": text.partition("\n")[0],
        "parameters": parts + query,
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **{status: {"description": what} for status, what in operation.also.items()},
            "4XX": refused,
            "5XX": {**refused, "description": "Not possible now."},
        },
    }
    if operation.body:
        body = {"schema": ref(operation.body), "example": operation.example}
        told["requestBody"] = {"content": {_JSON: body}, "required": True}
    return told


def _openai_error() -> Schema:
    parts = {"message": TEXT, "type": TEXT, "param": nullable(TEXT), "code": TEXT}
    return told({"error": told(parts)})
