"""`RoomLog`: the frames of a room in order, numbered from 1, and bounded.

Viewers hold no copy of anything: each is a number, the last frame it was given, and reads on from
there at its own pace. So a slow viewer costs as much as a fast one.
"""

from __future__ import annotations

from dataclasses import dataclass

from axon_gateway.frames import Frame, encode, encode_batch

#: A viewer this many frames behind gets batches; one nearer gets frames one by one.
_LAGS = 16
#: A batch ends with the frame that reaches this size, so that no viewer needs a huge buffer.
_BATCH_BYTES = 64 * 1024
#: Frames of one batch: a bound for frames that are small.
_BATCH_FRAMES = 512


@dataclass(frozen=True, slots=True)
class Chunk:
    """What to send a viewer next: encoded messages, and the newest frame's number in them."""

    messages: list[bytes]
    last: int


class RoomLog:
    """Encoded frames by sequence number, `first` to `last`; the oldest generations leave first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._frames: list[bytes] = []
        self._bytes = 0
        #: The number of each generation's first frame, ascending.
        self._starts: list[int] = []
        #: The number of the oldest frame kept; `last + 1` when there is none.
        self.first = 1

    @property
    def last(self) -> int:
        """The number of the newest frame, 0 if there never was one."""
        return self.first + len(self._frames) - 1

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._bytes

    def begin(self) -> None:
        """Says that the next frame begins a generation, unless it is refused before."""
        start = self.last + 1
        # Those refused leave no frame: a client that goes on trying must not make this grow.
        if not self._starts or self._starts[-1] != start:
            self._starts.append(start)

    def append(self, frame: Frame) -> int:
        """Numbers, encodes and keeps a frame; returns its number."""
        seq = self.last + 1
        encoded = encode(frame, seq)
        self._frames.append(encoded)
        self._bytes += len(encoded)
        if self._bytes > self._max_bytes:
            self._trim()
        return seq

    def read(self, after: int) -> Chunk:
        """What follows frame `after`: nothing, a few messages, or one batch.

        A reader whose next frames have left the log goes on with the oldest one kept.
        """
        start = max(after + 1 - self.first, 0)
        behind = len(self._frames) - start
        if behind <= 0:
            return Chunk([], max(after, self.first - 1))
        if behind < _LAGS:
            return Chunk(self._frames[start:], self.last)
        end, size = start, 0
        while end < len(self._frames) and size < _BATCH_BYTES and end - start < _BATCH_FRAMES:
            size += len(self._frames[end])
            end += 1
        last = self.first + end - 1
        return Chunk([encode_batch(self._frames[start:end], last)], last)

    def _trim(self) -> None:
        """Drops whole generations, oldest first, then the oldest frames of the newest one."""
        while self._bytes > self._max_bytes and len(self._starts) > 1:
            self._drop(self._starts[1] - self.first)
            self._starts.pop(0)
        excess, count = self._bytes - self._max_bytes, 0
        while excess > 0 and count < len(self._frames) - 1:
            excess -= len(self._frames[count])
            count += 1
        if count:
            self._drop(count)

    def _drop(self, count: int) -> None:
        self._bytes -= sum(map(len, self._frames[:count]))
        del self._frames[:count]
        self.first += count
