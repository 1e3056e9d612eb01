"""JSON schemas of the frames that clients receive. The golden frames of the tests must fit them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axon_gateway import errors
from axon_gateway.documents.requests import BOOL, NUMBER, TEXT, Schema, listed, ref

INTEGER: Schema = {"type": "integer"}
_SEED: Schema = {"type": "string", "pattern": "^[0-9]+$"}


def told(properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object that always has `properties`, and sometimes those that are `optional`."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
    }


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def by_source(schema: Schema) -> Schema:
    """An object with a value for each source, or for each feature by its index."""
    return {"type": "object", "additionalProperties": schema}


_EDITED = listed(
    told(
        {"source": TEXT, "feature": INTEGER, "where": TEXT},
        {
            "set": NUMBER,
            "scale": NUMBER,
            "add": NUMBER,
            "swap_with": INTEGER,
            "origin": TEXT,
            "first_position": INTEGER,
            "last_position": INTEGER,
            "include_bos": BOOL,
        },
    )
)
#: What the label's origin knows of a feature.
_KNOWN = {"max": NUMBER, "score": NUMBER, "density": NUMBER}
_FEATURE = told(
    {"id": INTEGER, "activation": NUMBER, "layer": INTEGER, "source": TEXT},
    {"label": TEXT, **_KNOWN, "edited": {"const": True}, "before": NUMBER},
)
_ALTERNATIVE = told({"token": TEXT, "token_id": INTEGER, "logprob": NUMBER})
_DETAILS = {
    "token_id": INTEGER,
    "l0": by_source(INTEGER),
    "reconstruction_error": by_source(NUMBER),
    "features": listed(ref("Feature")),
}
_AT_TOKEN = {"token": TEXT, "position": INTEGER, **_DETAILS}
_LIKELIEST = {"alternatives": listed(ref("Alternative"))}
#: Of a conversation: whose words a token is of, or that the chat template added it.
_SPOKEN = {"role": TEXT, "template": {"const": True}}
_PARAMS = told(
    {
        "max_tokens": INTEGER,
        "temperature": NUMBER,
        "top_k": INTEGER,
        "top_p": NUMBER,
        "repetition_penalty": NUMBER,
        "seed": _SEED,
        "stop": listed(TEXT),
        "feat_k": INTEGER,
        "act_threshold": NUMBER,
    }
)
_TIMINGS = told(
    {f"{stage}_ns": INTEGER for stage in ("queue", "prefill", "decode", "forward", "sae", "sample")}
)
_EFFECT = {
    "position": nullable(INTEGER),
    "source": TEXT,
    "feature": INTEGER,
    "activation": NUMBER,
    "logprob": NUMBER,
    "logit": NUMBER,
}
_LABEL = {"label": TEXT}
_COVERAGE = {
    "active": INTEGER,
    "tried": INTEGER,
    "agreement": nullable(told({"pearson": NUMBER, "top_5": NUMBER})),
}
_MEASURED = listed(ref("Effect"))
_ASKED = told(
    {
        "id": TEXT,
        "kind": {"enum": ["turn", "guess"]},
        "text": TEXT,
        "options": listed(told({"text": TEXT}, {"edit": ref("Edit")})),
    },
    {"branch": INTEGER, "position": INTEGER},
)
_VOTES = {
    "options": listed(INTEGER),
    "words": listed(told({"word": TEXT, "votes": INTEGER})),
    "votes": INTEGER,
}

#: What each kind of frame has beside `type`, `seq` and `time`: always, and sometimes.
KINDS: Mapping[str, tuple[Mapping[str, Schema], Mapping[str, Schema]]] = {
    "room": (
        {
            "room": TEXT,
            "role": {"enum": ["presenter", "viewer"]},
            "viewers": INTEGER,
            "presenting": BOOL,
            "open": BOOL,
            "published": BOOL,
            "epoch": INTEGER,
        },
        {"presenter_token": TEXT},
    ),
    "queued": ({"position": INTEGER}, {}),
    "started": (
        {
            "model": TEXT,
            "sources": listed(TEXT),
            "params": _PARAMS,
            "prompt": TEXT,
            "prompt_tokens": INTEGER,
            "pace": NUMBER,
            "branches": listed(told({"name": TEXT, "edits": _EDITED, "seed": nullable(_SEED)})),
            "alternatives": nullable(INTEGER),
        },
        {"messages": listed(ref("Message"))},
    ),
    "prompt": (
        {"tokens": listed(told(_AT_TOKEN, {"logprob": NUMBER, **_LIKELIEST, **_SPOKEN}))},
        {"branch": INTEGER},
    ),
    "token": (
        {**_AT_TOKEN, "step": INTEGER, "logprob": nullable(NUMBER)},
        {"branch": INTEGER, **_LIKELIEST},
    ),
    "edited": ({"branch": INTEGER, "position": INTEGER, "edits": _EDITED}, {}),
    "branch_ended": ({"branch": INTEGER, "reason": TEXT, "generated_tokens": INTEGER}, {}),
    "effects": (
        {},
        {
            "branch": INTEGER,
            "position": INTEGER,
            "missed": {"const": True},
            "rival": nullable(ref("Alternative")),
            **_COVERAGE,
            "effects": _MEASURED,
        },
    ),
    "labels": (
        {"source": TEXT, "labels": by_source(TEXT)},
        {name: by_source(one) for name, one in _KNOWN.items()},
    ),
    "finished": (
        {
            "status": {"enum": ["done", "stopped"]},
            "reason": TEXT,
            "prompt_tokens": INTEGER,
            "generated_tokens": INTEGER,
            "timings": nullable(_TIMINGS),
        },
        {},
    ),
    "error": (
        {"error": TEXT, "message": TEXT, "field": nullable(TEXT)},
        {"retry_after": NUMBER, "id": TEXT},
    ),
    "view": (
        {"pose": listed(NUMBER), "feature": nullable(TEXT), "token": nullable(INTEGER)},
        {"filters": listed(TEXT), "sources": nullable(listed(TEXT))},
    ),
    "question": ({"question": nullable(_ASKED)}, {}),
    "tally": ({"question": TEXT, **_VOTES}, {}),
    "outcome": ({"question": _ASKED, **_VOTES, "answer": nullable(TEXT)}, {}),
    "line": ({"places": listed(told({"id": TEXT, "name": TEXT})), "mine": nullable(TEXT)}, {}),
    "pong": ({}, {}),
    "explaining": (
        {
            "model": TEXT,
            "sources": listed(TEXT),
            "position": INTEGER,
            "logit": NUMBER,
            "tokens": listed(told({"position": INTEGER, "token_id": INTEGER, "token": TEXT})),
            "target": ref("Alternative"),
            "rival": ref("Alternative"),
            "active": INTEGER,
            "tried": INTEGER,
        },
        {},
    ),
    "path": (
        {
            "source": TEXT,
            "removal": told(
                {"source": TEXT, "feature": INTEGER, "position": nullable(INTEGER)}, _LABEL
            ),
            "effects": listed(
                told(
                    {
                        "position": INTEGER,
                        "feature": INTEGER,
                        "before": NUMBER,
                        "after": NUMBER,
                    },
                    _LABEL,
                )
            ),
        },
        {},
    ),
    "effect": (_EFFECT, _LABEL),
    "explained": ({**_COVERAGE, "elapsed_ms": NUMBER}, {}),
}


def error() -> Schema:
    """What an HTTP answer says of a refusal."""
    always, sometimes = KINDS["error"]
    codes = {"description": f"Among others: {', '.join(sorted(errors.STATUS))}."}
    return told({**always, "error": {**TEXT, **codes}}, sometimes)


def schemas() -> dict[str, Schema]:
    """The schemas of frames, `Frame.KIND`, and of their parts by name."""
    numbered = {"seq": INTEGER, "time": NUMBER}
    frames: dict[str, Any] = {
        f"Frame.{kind}": told({"type": {"const": kind}, **always, **numbered}, sometimes)
        for kind, (always, sometimes) in KINDS.items()
    }
    any_frame: Schema = {"anyOf": [ref(name) for name in frames]}
    batch = {"type": {"const": "batch"}, "seq": INTEGER, "frames": listed(any_frame)}
    return {
        "Feature": _FEATURE,
        "Alternative": _ALTERNATIVE,
        "Effect": told(_EFFECT, _LABEL),
        **frames,
        "Frame.batch": told(batch),
    }
