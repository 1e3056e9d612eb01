"""Counts WebSocket frames by their headers (RFC 6455, 5.2)."""

from __future__ import annotations

#: Bytes of the mask, which every client puts before a frame's content.
_MASK = 4


class FrameCounter:
    """Counts the frames in a stream of bytes, in whatever pieces it comes."""

    def __init__(self) -> None:
        #: An incomplete header, or else the bytes to skip until the next one begins.
        self._header = b""
        self._skip = 0

    def count(self, data: bytes) -> int:
        """How many frames have a complete header now that `data` has come."""
        data, at, frames = self._header + data, self._skip, 0
        while at < len(data) and (end := _end(data, at)):
            at = end
            frames += 1
        self._header = data[at:]
        self._skip = max(0, at - len(data))
        return frames


def _end(data: bytes, at: int) -> int:
    """The end of the frame whose header begins at `at`; 0 if the header is incomplete."""
    if at + 2 > len(data):
        return 0
    mask = _MASK if data[at + 1] & 0x80 else 0
    length = data[at + 1] & 0x7F
    further = {126: 2, 127: 8}.get(length, 0)
    start = at + 2 + further + mask
    if start > len(data):
        return 0
    if further:
        length = int.from_bytes(data[at + 2 : at + 2 + further])
    return start + length
