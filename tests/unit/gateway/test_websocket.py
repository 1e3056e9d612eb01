"""Counting WebSocket frames in a stream that may be cut at any byte."""

from __future__ import annotations

import random
import struct

from axon_gateway.web.websocket import FrameCounter


def frame(length: int, mask: bool = True) -> bytes:
    """A frame with a payload of at least `length` bytes that look like frame headers."""
    flag = 0x80 if mask else 0
    if length < 126:
        head = bytes([0x82, flag | length])
    elif length < 65536:
        head = bytes([0x82, flag | 126]) + struct.pack("!H", length)
    else:
        head = bytes([0x82, flag | 127]) + struct.pack("!Q", length)
    return head + (b"\x89\x80\x89\x80" if mask else b"") + b"\x89\x80" * (length // 2 + 1)


def whole(length: int, mask: bool = True) -> bytes:
    head = len(frame(0, mask)) - 2 + (0 if length < 126 else 2 if length < 65536 else 8)
    return frame(length, mask)[: head + length]


def test_a_frame_of_any_length_is_counted_once() -> None:
    for length in (0, 1, 125, 126, 127, 65535, 65536, 200_000):
        for mask in (True, False):
            counter = FrameCounter()
            assert counter.count(whole(length, mask) * 3) == 3
            assert counter.count(whole(0, mask)) == 1


def test_it_does_not_matter_how_the_stream_is_cut() -> None:
    lengths = (0, 0, 5, 125, 126, 300, 65536, 0, 1)
    choose = random.Random(7)
    for _ in range(200):
        sent = [choose.choice(lengths) for _ in range(20)]
        stream = b"".join(whole(length, choose.random() < 0.8) for length in sent)
        counter, counted = FrameCounter(), 0
        while stream:
            size = choose.choice((1, 2, 3, 13, 4096, 100_000))
            counted += counter.count(stream[:size])
            stream = stream[size:]
        assert counted == len(sent)


def test_a_frame_is_counted_when_its_header_is_complete() -> None:
    counter = FrameCounter()
    assert [counter.count(bytes([byte])) for byte in whole(300)[:9]] == [0] * 7 + [1, 0]


def test_a_frame_of_the_greatest_length_is_one_frame() -> None:
    counter = FrameCounter()
    assert counter.count(b"\x82\xff" + b"\xff" * 8 + bytes(4) + b"\x89\x80" * 1000) == 1
    assert counter.count(b"\x89\x80" * 1000) == 0
