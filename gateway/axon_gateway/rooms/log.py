"""`RoomLog`: the frames of a room in order, numbered from 1, and bounded.

Viewers hold no copy of anything: each is a number, the last frame it was given, and reads on from
there at its own pace. So a slow viewer costs as much as a fast one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

from axon_gateway.frames import Frame, encode, encode_batch, on_the_wire

#: A viewer this many frames behind gets batches; one nearer gets frames one by one.
_LAGS = 16
#: A batch ends with the frame that reaches this size, so that no viewer needs a huge buffer.
_BATCH_BYTES = 64 * 1024
#: Frames of one batch: a bound for frames that are small.
_BATCH_FRAMES = 512


@dataclass(frozen=True)
class Chunk:
    """What to send a viewer next: encoded messages, and the newest frame's number in them."""

    messages: list[bytes]
    last: int

    @cached_property
    def wire(self) -> bytes:
        """The messages as WebSocket frames, made once for all who read the same."""
        return b"".join(map(on_the_wire, self.messages))


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame on its way to or from another copy of the log; `begins` a generation."""

    seq: int
    encoded: bytes
    begins: bool


class RoomLog:
    """Encoded frames by sequence number, `first` to `last`; the oldest generations leave first.

    A generation too large for the bound loses frames in its middle: how it began is kept, so that
    whoever joins late still learns what runs.
    """

    def __init__(self, max_bytes: int, after: int = 0) -> None:
        self._max_bytes = max_bytes
        self._frames: list[bytes] = []
        self._bytes = 0
        #: The number of each generation's first frame, ascending.
        self._starts: list[int] = []
        #: The first frames of a generation that has lost its middle, and their first number.
        self._head: list[bytes] = []
        self._head_first = 0
        #: The last frame of the newest generation that tells how it began; 0 while it begins.
        self._begun = 0
        #: What was read last: after which frame, and when the log ended with which.
        self._read = Chunk([], -1)
        self._read_at = (-1, -1)
        #: The number of the oldest frame kept; `last + 1` when there is none.
        self.first = after + 1

    @property
    def last(self) -> int:
        """The number of the newest frame, 0 if there never was one."""
        return self.first + len(self._frames) - 1

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._bytes

    @property
    def newest(self) -> bytes:
        """The newest frame, empty if there is none."""
        return self._frames[-1] if self._frames else b""

    def emptied(self, after: int) -> RoomLog:
        """A log with the same bound whose first frame follows `after`."""
        return RoomLog(self._max_bytes, after)

    def begin(self) -> None:
        """Says that the next frame begins a generation, unless it is refused before."""
        start = self.last + 1
        # Those refused leave no frame: a client that goes on trying must not make this grow.
        if not self._starts or self._starts[-1] != start:
            self._starts.append(start)
            self._begun = 0

    def append(self, frame: Frame) -> int:
        """Numbers, encodes and keeps a frame; returns its number."""
        seq = self.last + 1
        self._keep(encode(frame, seq))
        return seq

    def copy(self, entry: Entry) -> bool:
        """Keeps a frame of another copy of this log; False if it is not the next one."""
        if self._frames and entry.seq != self.last + 1:
            return False
        if not self._frames:
            self.first = entry.seq
        if entry.begins:
            self.begin()
        self._keep(entry.encoded)
        return True

    def entries(self, after: int, max_bytes: int) -> list[Entry]:
        """The frames that follow `after`, as many as reach `max_bytes`, for another copy."""
        seq = max(after + 1, self.first)
        entries: list[Entry] = []
        while seq <= self.last and max_bytes > 0:
            encoded = self._frames[seq - self.first]
            start = bisect_right(self._starts, seq) - 1
            entries.append(Entry(seq, encoded, start >= 0 and self._starts[start] == seq))
            max_bytes -= len(encoded)
            seq += 1
        return entries

    def all(self) -> list[bytes]:
        """Every frame kept, from the first whole generation on if there is one."""
        whole = self._whole()
        if whole is not None:
            return self._frames[whole - self.first :]
        return [*self._head, *self._frames]

    def read(self, after: int) -> Chunk:
        """What follows frame `after`: nothing, a few messages, or one batch.

        A reader whose next frames have left the log goes on with the first whole generation, or,
        when the only one has outgrown the log, with how it began and then what is left of it.
        """
        # Nearly everybody asks for the same: it is put together, and on the wire, once for all.
        if self._read_at != (after, self.last):
            self._read, self._read_at = self._chunk(after), (after, self.last)
        return self._read

    def _chunk(self, after: int) -> Chunk:
        if after + 1 < self.first:
            after = self._entrance(after)
        if head := self._head_after(after):
            return Chunk([encode_batch(head, self.first - 1)], self.first - 1)
        start = max(after + 1 - self.first, 0)
        behind = len(self._frames) - start
        if behind <= 0:
            return Chunk([], max(after, self.first - 1))
        if behind >= _LAGS:
            return self._batch(start)
        return Chunk(self._frames[start:], self.last)

    def _entrance(self, after: int) -> int:
        """Where a reader goes on whose next frame, the one following `after`, has left."""
        whole = self._whole()
        if whole is not None:
            return whole - 1
        return after if self._head else self.first - 1

    def _whole(self) -> int | None:
        """The first frame of the oldest generation that is here from its beginning."""
        index = bisect_left(self._starts, self.first)
        found = self._starts[index : index + 1]
        return found[0] if found and found[0] <= self.last else None

    def _head_after(self, after: int) -> list[bytes]:
        return self._head[max(after + 1 - self._head_first, 0) :] if after + 1 < self.first else []

    def _batch(self, start: int) -> Chunk:
        end, size = start, 0
        while end < len(self._frames) and size < _BATCH_BYTES and end - start < _BATCH_FRAMES:
            size += len(self._frames[end])
            end += 1
        last = self.first + end - 1
        return Chunk([encode_batch(self._frames[start:end], last)], last)

    def _keep(self, encoded: bytes) -> None:
        self._frames.append(encoded)
        self._bytes += len(encoded)
        if not self._begun and encoded.startswith(b'{"type":"prompt"'):
            self._begun = self.last
        if self._bytes > self._max_bytes:
            self._trim()

    def _trim(self) -> None:
        """Drops whole generations, oldest first, then the middle of the newest one."""
        while self._bytes > self._max_bytes and len(self._starts) > 1:
            self._drop(self._starts[1] - self.first)
            self._starts.pop(0)
            self._bytes -= sum(map(len, self._head))
            self._head = []
        if self._bytes > self._max_bytes:
            self._keep_head()
        excess, count = self._bytes - self._max_bytes, 0
        while excess > 0 and count < len(self._frames) - 1:
            excess -= len(self._frames[count])
            count += 1
        self._drop(count)

    def _keep_head(self) -> None:
        """Sets aside how the only generation began, before its oldest frames leave."""
        if self._starts and self._starts[0] == self.first and self._begun:
            length = self._begun - self.first + 1
            if sum(map(len, self._frames[:length])) <= self._max_bytes // 2:
                self._head, self._head_first = self._frames[:length], self.first
                del self._frames[:length]
                self.first += length

    def _drop(self, count: int) -> None:
        self._bytes -= sum(map(len, self._frames[:count]))
        del self._frames[:count]
        self.first += count
