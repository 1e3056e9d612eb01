"""HTTP bodies that are compressed, chunked or damaged in any way."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from hypothesis import strategies as st

from . import mutation
from .inputs import fuzz
from .subjects import Gateway

_BODY = json.dumps({"prompt": "The capital", "max_tokens": 2}).encode()
_CONTENTS = [_BODY, _BODY, b"", b"{", b" " * 100_000, b"\0" * 4_000_000]
_PACKED = {
    "gzip": [gzip.compress(content, 1) for content in _CONTENTS],
    "deflate": [zlib.compress(content) for content in _CONTENTS],
    "raw deflate": [zlib.compress(content)[2:-4] for content in _CONTENTS],
    "plain": [content[:70_000] for content in _CONTENTS],
}
_CLAIMS = ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "x-gzip", "", "\xff", "GZIP"]
_sent = st.tuples(
    st.sampled_from(list(_PACKED)),
    st.integers(0, len(_CONTENTS) - 1),
    st.one_of(st.none(), st.sampled_from(_CLAIMS)),
    st.one_of(st.just([]), mutation.byte_edits),
    st.sampled_from(["length", "length", "short", "long", "chunked", "bad chunks", "both", "none"]),
)


@fuzz(_sent)
def test_each_is_answered_or_refused_with_a_status_below_500(gateway: Gateway, drawn: Any) -> None:
    packing, content, claim, edits, framing = drawn
    data = mutation.bytes_edited(_PACKED[packing][content], edits)
    if packing == "plain" and claim is None and framing == "length" and data == _BODY:
        assert gateway.ask(_request(data, claim, framing))[0] == 200
        return
    status, found = gateway.ask(_request(data, claim, framing))
    assert status == 0 or status == 200 or 400 <= status < 500, (status, found)


def _request(data: bytes, claim: str | None, framing: str) -> bytes:
    head = b"POST /api/generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    if claim is not None:
        head += b"Content-Encoding: " + claim.encode("latin-1") + b"\r\n"
    if framing in ("chunked", "bad chunks", "both"):
        head += b"Transfer-Encoding: chunked\r\n"
        size = b"%x" % len(data) if framing != "bad chunks" else b"%x;\xff" % (len(data) + 3)
        chunks = size + b"\r\n" + data + b"\r\n0\r\n\r\n"
    if framing == "chunked":
        return head + b"\r\n" + chunks
    if framing in ("bad chunks", "both"):
        return head + (b"Content-Length: 3\r\n\r\n" if framing == "both" else b"\r\n") + chunks
    if framing == "none":
        return head + b"\r\n" + data
    # "long" is the right length: with a longer one, the gateway would wait until the client leaves.
    length = {"length": len(data), "short": len(data) // 2, "long": len(data)}[framing]
    return head + b"Content-Length: %d\r\n\r\n" % length + data
