"""Damages JSON documents and bytes as drawn numbers say."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: Numbers at the limits of common types, or beyond.
EDGES = (0, -1, -5, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 2**70, -(2**70), 10**40, 1e29, -1e300)
#: Text that is difficult for terminals, logs, HTML, JSON or UTF-8.
NASTY = (
    *("\x1b[2J\x1b]0;x\x07", "\x9b31m", "a\nb\r\nc", "\x00", "\u2028", "\x7f", "\ufeff", "\u202e"),
    *("\ufffd", "\ud800", "\udfff\ud800", "<script>", "\U0001f600", "e\u0301", "'\"\\", "%0a%1b"),
)

_number = st.one_of(
    st.sampled_from(EDGES),
    st.integers(-3, 300),
    st.floats(allow_nan=True, allow_infinity=True),
)
text = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=8))
scalars = st.one_of(st.none(), st.booleans(), _number, text)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from(["a", "", "type", "index", *NASTY[:4]]), scalars, max_size=3),
)
#: Changes for `edited`: the place, the kind of change, and the new value.
edits = st.lists(
    st.tuples(st.integers(0, 4095), st.sampled_from(["set", "set", "drop", "double"]), values),
    min_size=1,
    max_size=3,
)
#: Changes for `bytes_edited`: the place, the kind of change, and the new bytes.
byte_edits = st.lists(
    st.tuples(
        st.integers(0, 2**16 - 1),
        st.sampled_from(["put", "insert", "cut", "end"]),
        st.binary(min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=3,
)


def edited(document: Any, changes: list[tuple[int, str, Any]]) -> Any:
    """A copy of a JSON document with values replaced, dropped, or doubled."""
    found = copy.deepcopy(document)
    for where, what, value in changes:
        places = list(_places(found))
        if not places:
            return value
        holder, key = places[where % len(places)]
        if what == "drop":
            del holder[key]
        elif what == "double" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[key] = value
    return found


def bytes_edited(data: bytes, changes: list[tuple[int, str, bytes]]) -> bytes:
    """The bytes after some were overwritten, inserted or cut out, or the end was cut off."""
    for where, what, new in changes:
        at = where % (len(data) + 1)
        if what == "put":
            data = data[:at] + new + data[at + len(new) :]
        elif what == "insert":
            data = data[:at] + new + data[at:]
        elif what == "cut":
            data = data[:at] + data[at + 8 * len(new) :]
        else:
            data = data[:at]
    return data


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every value in a document, as its container and its key there."""
    keys = document if isinstance(document, dict) else range(len(document))
    for key in list(keys) if isinstance(document, dict | list) else ():
        yield document, key
        if isinstance(document[key], dict | list):
            yield from _places(document[key])
