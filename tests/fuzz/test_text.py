"""Text that is difficult to tokenise, to give out token by token, to stop at, or to parse."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import orjson
from axon.v1 import inference_pb2 as pb
from axon_gateway import requests
from axon_gateway.errors import Refusal
from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import SLOTS, ModelServer
from .test_tokens import served_or_invalid

_TEXT = [piece for piece in mutation.NASTY if not any("\ud800" <= c <= "\udfff" for c in piece)]
_pieces = st.one_of(
    st.sampled_from([*_TEXT, "\ufffd", "<|endoftext|>", " ", "the capital", "\u20ac", "\xe9"]),
    st.text(st.characters(codec="utf-8"), max_size=3),
)
_asked = st.tuples(
    st.lists(_pieces, min_size=1, max_size=4).map("".join),
    st.lists(_pieces.filter(bool), max_size=2),
    st.integers(0, 3),
    st.integers(0, 1000),
)


@fuzz(_asked, batch=SLOTS, share=0.5)
def test_the_text_is_complete_and_stops_where_it_should(
    model: ModelServer, drawn: list[Any]
) -> None:
    asked = [
        pb.GenerateRequest(
            prompt=prompt,
            max_tokens=count,
            sampling=pb.SamplingOptions(stop=stop, seed=seed, temperature=2),
        )
        for prompt, stop, count, seed in drawn
    ]
    for request, found in zip(asked, model.all_at_once(asked), strict=True):
        served_or_invalid(found)
        if isinstance(found, list):
            _check(request, found)


def _check(request: pb.GenerateRequest, found: list[pb.GenerateResponse]) -> None:
    tokens = [token for response in found for token in response.tokens.tokens]
    prompt = [t.text for t in tokens if t.origin == pb.TOKEN_ORIGIN_PROMPT]
    written = [t.text for t in tokens if t.origin == pb.TOKEN_ORIGIN_GENERATED]
    assert "".join(prompt) == "<|endoftext|>" + request.prompt
    stops = request.sampling.stop
    assert not any(stop in "".join(written[:-1]) for stop in stops)
    # Half a character at the very end is shown as U+FFFD, and does not count as a stop string.
    if any(stop in "".join(written) for stop in stops if "\ufffd" not in stop):
        assert found[-1].finished.reason == pb.FINISH_REASON_STOP


_MESSAGE = {
    "type": "generate",
    "prompt": "The capital",
    "model": "fake",
    "max_tokens": 4,
    "temperature": 0.5,
    "top_k": 3,
    "top_p": 0.5,
    "repetition_penalty": 1.5,
    "seed": "18446744073709551615",
    "stop": ["a", "b"],
    "feat_k": 3,
    "act_threshold": 0.1,
    "sources": ["fake/0-res"],
    "include_bos": True,
    "pace": 10,
    "alternatives": 3,
    "branches": [
        {
            "name": "twin",
            "seed": 3,
            "edits": [{"source": "fake/0-res", "feature": 7, "set": 2, "unit": "max"}],
        }
    ],
}
_EDIT = {
    "type": "edit",
    "branch": 1,
    "edits": [
        {
            "source": "fake/0-res",
            "feature": 7,
            "swap_with": 9,
            "where": "everywhere",
            "origin": "generated",
            "first_position": 3,
            "last_position": 9,
            "include_bos": True,
        }
    ],
}
_VIEW = {
    "type": "view",
    "pose": [1.0, 2.0],
    "feature": "fake/0-res/7",
    "token": 3,
    "filters": ["hide: punctuation"],
    "sources": ["fake/0-res"],
}
_TURN = {
    "type": "question",
    "kind": "turn",
    "text": "Which one?",
    "options": [{"text": "silence", "edit": {"source": "fake/0-res", "feature": 7, "scale": 0}}],
}
_GUESS = {
    "type": "question",
    "kind": "guess",
    "text": "Next?",
    "options": [{"text": " Paris"}],
    "branch": 0,
    "position": 7,
}
_HALL = [
    _TURN,
    _GUESS,
    {"type": "vote", "question": "q", "option": 1},
    {"type": "vote", "question": "q", "word": "Paris"},
    {"type": "close", "question": "q", "answer": " Paris"},
    {"type": "leave", "place": "p"},
]
_message = st.tuples(
    st.sampled_from(
        [{**_MESSAGE, "name": "Ada"}, _EDIT, _VIEW, {"type": "open", "open": True}, *_HALL]
    ),
    mutation.edits,
)


def _question(message: dict[str, Any]) -> requests.Question:
    found = requests.parse(json.dumps(message), 64 * 1024)
    assert isinstance(found, requests.Question)
    return found


@fuzz(st.tuples(_message, st.booleans(), st.one_of(st.none(), mutation.byte_edits)), share=0.5)
def test_a_message_is_read_or_refused_by_name(drawn: Any) -> None:
    (message, edits), escaped, byte_edits = drawn
    text = json.dumps(mutation.edited(message, edits), ensure_ascii=escaped)
    data = text.encode(errors="surrogatepass")
    try:
        command = requests.parse(mutation.bytes_edited(data, byte_edits or []), 64 * 1024)
    except Refusal as refusal:
        refusal.message.encode()
    else:
        if isinstance(command, requests.Generate | requests.Edit):
            command.request.SerializeToString()
        if isinstance(command, requests.Edit):
            # Another gateway reads it again.
            assert requests.edit(json.loads(command.text)).request == command.request
        if isinstance(command, requests.Question):
            # Through Redis, to other gateways.
            again = requests.hall_question(orjson.loads(orjson.dumps(command.body())))
            assert again == command
        if isinstance(command, requests.Vote):
            with contextlib.suppress(Refusal):
                command.choice(_question(_GUESS)).encode()
        if isinstance(command, requests.Generate):
            command.name.encode()
            (command.model or "").encode()
