"""Questions about features, and arbitrary paths."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import Gateway

_word = st.one_of(
    mutation.text,
    st.sampled_from(
        ["label", "7", "fake", "0-res", "e", "x" * 250, "x" * 300, "é" * 200, "..", ""]
    ),
    st.integers(-(2**70), 2**70).map(str),
)
_quoted = _word.map(lambda word: quote(word.encode(errors="surrogatepass"), safe=""))
_query = st.dictionaries(
    st.sampled_from(["label", "limit", "index", "model", "from", "room"]), _quoted, max_size=3
).map(lambda query: "&".join(f"{name}={value}" for name, value in query.items()))
_list = st.one_of(
    st.lists(st.one_of(st.integers(0, 70).map(str), _quoted), max_size=8).map(",".join),
    st.sampled_from([",".join(["7"] * 512), ",".join(["7"] * 513), "7" * 9000]),
)
_path = st.one_of(
    _query.map(lambda query: f"/api/features?{query}"),
    _query.map(lambda query: f"/api/features?label=label&{query}"),
    _list.map(lambda indices: f"/api/features/fake/0-res?index={indices}"),
    st.lists(_quoted, max_size=4).map(lambda parts: "/api/features/" + "/".join(parts)),
    st.lists(_quoted, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    _quoted.map(lambda name: f"/api/features/fake/0-res/{name}"),
    _quoted.map(lambda name: f"/api/rooms/{name}/recording.jsonl"),
    _query.map(lambda query: f"/api/model?{query}"),
)


@fuzz(_path)
def test_each_is_answered_or_refused_by_name(gateway: Gateway, drawn: Any) -> None:
    status, found = gateway.get(drawn)
    assert status == 200 or 400 <= status < 500, (status, found[:300])
    # A longer request line is refused before its path is read.
    if status >= 400 and drawn.startswith("/api/") and len(drawn) < 8000:
        refusal = json.loads(found)
        assert refusal["error"]
        assert refusal["message"]
