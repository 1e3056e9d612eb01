"""`RoomLog`: the frames of a room in order, numbered from 1, and bounded.

A viewer holds no copies of frames: it is a number, the last frame it was given, and reads on from
there at its own pace. So a slow viewer costs as much as a fast one.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from axon_gateway.frames import Frame, encode, encode_batch, on_the_wire
from axon_gateway.rooms.budget import Budget
from axon_gateway.rooms.epochs import Epochs, Offset

#: A viewer this many frames behind gets batches; one nearer gets frames one by one.
_LAGS = 16
#: A batch ends with the frame that reaches this size, so that no viewer needs a huge buffer.
_BATCH_BYTES = 64 * 1024
#: Frames of one batch: a bound for frames that are small.
_BATCH_FRAMES = 512
#: The first bytes of frames that end a generation.
_ENDS = (b'{"type":"finished"', b'{"type":"error"')


def ends_generation(encoded: bytes) -> bool:
    """Whether a frame of the log is a generation's last, its late labels aside."""
    return encoded.startswith(_ENDS)


@dataclass(frozen=True)
class Chunk:
    """What to send a viewer next: encoded frames, and the newest one's number.

    A viewer that `lags` gets them in one message.
    """

    frames: list[bytes]
    last: int
    lags: bool = False

    @cached_property
    def messages(self) -> list[bytes]:
        """The messages to send."""
        return [encode_batch(self.frames, self.last)] if self.lags else self.frames

    @cached_property
    def wire(self) -> bytes:
        """The messages as WebSocket frames, made once for all who read the same."""
        return b"".join(map(on_the_wire, self.messages))


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame on its way to or from another copy of the log; `begins` a generation.

    `epoch` is the epoch in which it was written, `since` the number at which that began.
    """

    seq: int
    encoded: bytes
    begins: bool
    epoch: int
    since: int


class RoomLog:
    """Encoded frames by sequence number, `first` to `last`. The oldest generations go first.

    A generation too large for the bound loses frames in its middle. Its beginning is kept, so that
    late viewers still learn what runs.
    """

    #: Numbers generations by age, over all logs.
    _ages = itertools.count()

    def __init__(self, max_bytes: int, budget: Budget | None = None, epoch: int = 0) -> None:
        self._max_bytes = max_bytes
        self._budget = budget
        self.epochs = Epochs(epoch)
        self._frames: list[bytes] = []
        self._bytes = 0
        #: The number of each generation's first frame, ascending, and its number over all logs.
        self._starts: list[int] = []
        self._age: list[int] = []
        #: The first frames of a generation that has lost its middle, and their first number.
        self._head: list[bytes] = []
        self._head_first = 0
        #: The prompts of the newest generation's branches, with which its beginning ends.
        self._prompts: list[int] = []
        #: Whether the newest generation has ended. True before the first one, too.
        self.ended = True
        #: What was read last, and for which pair of frames: the one before it, and the log's last.
        self._read = Chunk([], -1)
        self._read_at = (-1, -1)
        #: The number of the oldest frame kept; `last + 1` when there is none.
        self.first = 1
        if budget is not None:
            budget.join(self)

    @property
    def epoch(self) -> int:
        """The epoch in which the log is written now."""
        return self.epochs.current

    @property
    def head_last(self) -> int:
        """The last of the frames set aside as the only generation's beginning; 0 if none are."""
        return self._head_first + len(self._head) - 1 if self._head else 0

    @property
    def oldest(self) -> float:
        """The number of the oldest generation that may be dropped; infinite if none may."""
        return self._age[0] if self._age and self._may_drop() else float("inf")

    @property
    def last(self) -> int:
        """The number of the newest frame, 0 if there never was one."""
        return self.first + len(self._frames) - 1

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._bytes

    def fresh(self) -> RoomLog:
        """An empty log with the same bounds, which knows no epoch yet."""
        return RoomLog(self._max_bytes, self._budget)

    def close(self) -> None:
        """The log is needed no longer; its bytes stop counting."""
        if self._budget is not None:
            self._budget.leave(self)
            self._budget = None

    def resume(self, offset: Offset) -> int:
        """The last frame that a reader at `offset` has.

        0, which means the log from its start, unless this is the log that the reader has read. If
        the offset has no epoch, that is not checked.
        """
        epoch, seq = offset
        if epoch is None:
            return min(max(seq - 1, 0), self.last)
        return seq - 1 if self.extends(epoch, seq - 1) else 0

    def extends(self, epoch: int, last: int) -> bool:
        """Whether another log that ends with frame `last`, in `epoch`, is the beginning of this."""
        end = self.epochs.end(epoch, self.last)
        return end is not None and 0 <= last < end

    def begin_generation(self) -> None:
        """Says that the next frame begins a generation, unless it is refused before."""
        start = self.last + 1
        # A refused one leaves no frame: a client that keeps trying must not make the lists grow.
        if not self._starts or self._starts[-1] != start:
            self._starts.append(start)
            self._age.append(next(self._ages))
            self._prompts.clear()
        self.ended = False

    def append(self, frame: Frame) -> int:
        """Numbers, encodes and keeps a frame; returns its number."""
        seq = self.last + 1
        self._add(encode(frame, seq))
        return seq

    def append_entry(self, entry: Entry) -> bool:
        """Keeps the next frame of the log that this is a copy of.

        False if it is not the next: this copy has frames that the log does not have, or lacks some.
        """
        if entry.epoch <= self.epoch and entry.seq <= self.last:
            return True  # it is here already
        if entry.epoch != self.epoch and not (
            entry.epoch > self.epoch and entry.since == self.last + 1
        ):
            return False
        self.load_entry(entry)
        return True

    def load_entry(self, entry: Entry) -> None:
        """Keeps a frame of the log that this becomes a copy of; skips frames dropped before it."""
        if entry.seq != self.last + 1:
            self._skip_to(entry.seq)
        self.epochs.begin(entry.epoch, entry.since)
        if entry.begins:
            self.begin_generation()
        self._add(entry.encoded)

    def entries(self, after: int, max_bytes: int) -> list[Entry]:
        """The frames that follow `after`, as many as reach `max_bytes`, for another copy."""
        head = self._head_after(after)
        first = self.head_last + 1 - len(head)
        found: list[Entry] = []
        for seq, encoded in itertools.chain(
            enumerate(head, first), self._numbered(max(after + 1, self.first))
        ):
            if max_bytes <= 0:
                break
            found.append(self._entry(seq, encoded))
            max_bytes -= len(encoded)
        return found

    def _numbered(self, seq: int) -> Iterable[tuple[int, bytes]]:
        for number in range(seq, self.last + 1):
            yield number, self._frames[number - self.first]

    def _entry(self, seq: int, encoded: bytes) -> Entry:
        start = bisect_right(self._starts, seq) - 1
        begins = start >= 0 and self._starts[start] == seq
        return Entry(seq, encoded, begins, *self.epochs.of(seq))

    def all(self) -> list[bytes]:
        """Every frame kept, from the first whole generation on if there is one."""
        whole = self._whole()
        if whole is not None:
            return self._frames[whole - self.first :]
        return [*self._head, *self._frames]

    def read(self, after: int) -> Chunk:
        """What follows frame `after`: nothing, a few messages, or one batch.

        A reader whose next frames were dropped goes on with the first whole generation. If the only
        generation has outgrown the log, the reader gets its beginning and then what is left of it.
        """
        # Nearly all viewers ask for the same chunk, which is made and encoded once for all.
        if self._read_at != (after, self.last):
            self._read, self._read_at = self._chunk(after), (after, self.last)
        return self._read

    def _chunk(self, after: int) -> Chunk:
        if after + 1 < self.first:
            after = self._entrance(after)
        if head := self._head_after(after):
            return Chunk(head, self.first - 1, lags=True)
        start = max(after + 1 - self.first, 0)
        behind = len(self._frames) - start
        if behind <= 0:
            return Chunk([], max(after, self.first - 1))
        if behind >= _LAGS:
            return self._batch(start)
        return Chunk(self._frames[start:], self.last)

    def _entrance(self, after: int) -> int:
        """Where a reader goes on if its next frame, the one following `after`, was dropped."""
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
        return Chunk(self._frames[start:end], self.first + end - 1, lags=True)

    def drop_oldest(self) -> bool:
        """Drops the oldest generation; False if it still runs.

        Of the only one, the newest frame stays, since its number is the log's.
        """
        if not self._starts or not self._may_drop():
            return False
        self._drop_oldest()
        return True

    def shrink(self) -> bool:
        """Drops a quarter of what is kept; False if there is nothing to drop."""
        before = self._bytes
        self._trim(before - before // 4)
        return self._bytes < before

    def _add(self, encoded: bytes) -> None:
        self._frames.append(encoded)
        self.ended = self.ended or ends_generation(encoded)
        if encoded.startswith(b'{"type":"prompt"'):
            self._prompts.append(self.last)
        self._grow(len(encoded))
        if self._bytes > self._max_bytes:
            self._trim(self._max_bytes)

    def _grow(self, difference: int) -> None:
        self._bytes += difference
        if self._budget is not None:
            self._budget.changed(difference)

    def _may_drop(self) -> bool:
        return len(self._starts) > 1 or self.ended

    def _drop_oldest(self) -> None:
        end = self._starts[1] if len(self._starts) > 1 else self.last
        del self._starts[0], self._age[0]
        self._drop_head()
        self._drop(end - self.first)

    def _trim(self, max_bytes: int) -> None:
        """Drops whole generations, oldest first, then the middle of the newest one."""
        while self._bytes > max_bytes and len(self._starts) > 1:
            self._drop_oldest()
        if self._bytes > max_bytes:
            self._keep_head(max_bytes // 2)
        excess, count = self._bytes - max_bytes, 0
        while excess > 0 and count < len(self._frames) - 1:
            excess -= len(self._frames[count])
            count += 1
        self._drop(count)

    def _skip_to(self, seq: int) -> None:
        """The next frame is `seq`: the log that this is a copy of has dropped those before it."""
        if len(self._starts) == 1:
            self._keep_head(self._max_bytes // 2)
        self._drop(len(self._frames))
        if not self._head:
            self._starts.clear()
            self._age.clear()
        self.first = seq

    def _keep_head(self, max_bytes: int) -> None:
        """Sets the beginning of the only generation aside before its oldest frames are dropped."""
        if not self._starts or self._starts[0] != self.first:
            return
        for prompt in reversed(self._prompts):
            length = prompt - self.first + 1
            if sum(map(len, self._frames[:length])) <= max_bytes:
                self._head, self._head_first = self._frames[:length], self.first
                del self._frames[:length]
                self.first += length
                return

    def _drop_head(self) -> None:
        head, self._head = self._head, []
        self._grow(-sum(map(len, head)))

    def _drop(self, count: int) -> None:
        dropped = self._frames[:count]
        del self._frames[:count]
        self.first += count
        self._grow(-sum(map(len, dropped)))
