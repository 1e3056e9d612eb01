"""Checks frame by frame what every viewer may rely on; independent of sockets.

Each viewer has a `Reader`. All readers share a `Ledger`, which checks that their frames agree.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import orjson

Frame = dict[str, Any]

#: Frames of these types are always part of the log. An `error` may be part of it or not.
LOGGED = frozenset({"queued", "started", "prompt", "token", "labels", "finished"})
#: Types with which a log can begin, also after a reader has started over.
_BEGINS = frozenset({"queued", "started", "error"})
#: How many complaints are kept as text; all of them are counted.
_MOST_WORDS = 20


class Ledger:
    """The frames that viewers got, by room, epoch and number, and how generations ended."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str | None, int], int] = {}
        #: Digests of the frames counted. No two frames have the same one: each has its time.
        self._counted: set[int] = set()
        self.ends: Counter[str] = Counter()
        self.begun = 0

    def agrees(self, room: str, epoch: str | None, frame: Frame, digest: int) -> bool:
        """Whether every viewer that got a frame with this number got the same frame."""
        key = (room, epoch, frame["seq"])
        if digest not in self._counted and frame["type"] in ("started", "finished", "error"):
            self._counted.add(digest)
            if frame["type"] == "started":
                self.begun += 1
            else:
                self.ends[frame.get("error", "finished")] += 1
        return self._seen.setdefault(key, digest) == digest


class Reader:
    """A room's log as one viewer got it, and all faults in it."""

    def __init__(self, name: str, room: str, ledger: Ledger) -> None:
        self.name = name
        self.room = room
        self.epoch: str | None = None
        self.last = 0
        self.frames = 0
        #: How often a new epoch made this reader drop its frames.
        self.restarts = 0
        self.faults: Counter[str] = Counter()
        self.words: list[str] = []
        self._ledger = ledger
        self._first = 1
        self._held = array("q")
        self._missing: set[int] = set()
        self._fresh = True
        self._generation: str | None = None
        self._step = 0

    @property
    def running(self) -> bool:
        """Whether a generation has begun and not ended."""
        return self._generation is not None

    def resume(self) -> str:
        """The value of `from` for reconnecting."""
        wanted = str(self.last + 1)
        return wanted if self.epoch is None else f"{self.epoch}:{wanted}"

    def take(self, frame: Frame) -> bool:
        """Checks the next frame; returns whether it belongs to the log."""
        self._notice_epoch(frame)
        seq = frame["seq"]
        if not (frame["type"] in LOGGED or (frame["type"] == "error" and seq > self.last)):
            return False
        self.frames += 1
        digest = hash(orjson.dumps({k: v for k, v in frame.items() if k != "epoch"}))
        if self._fresh and seq != self.last + 1:
            self._start_over(frame)
        self._fresh = False
        if not self._in_order(seq):
            return True
        self._held.append(digest)
        if not self._ledger.agrees(self.room, self.epoch, frame, digest):
            self._complain("divergent", f"frame {seq} of epoch {self.epoch} differs from others'")
        self._follow(frame)
        return True

    def end(self) -> None:
        """Call when no more frames come: each generation must have ended."""
        if self._generation is not None:
            self._complain("unended", f"the generation at frame {self.last} never ended")

    def compare(self, late: Reader) -> None:
        """Complains unless this reader holds the same as `late`, which joined only now."""
        if self.last != late.last:
            self._complain("behind", f"it ends at frame {self.last}, a late joiner at {late.last}")
        elif self._first > late._first:
            self._complain("behind", f"it lacks frames {late._first} to {self._first - 1}")
        elif self._held[len(self._held) - len(late._held) :] != late._held:
            self._complain("divergent", "it holds other frames than a late joiner gets")

    def _notice_epoch(self, frame: Frame) -> None:
        given = frame.get("epoch")
        if given is not None and str(given) != self.epoch:
            self.epoch = str(given)
            self._fresh = True

    def _start_over(self, frame: Frame) -> None:
        """Drop all frames: the log is another one, or its oldest generations have left it."""
        if self._held:
            self.restarts += 1
        if frame["type"] not in _BEGINS:
            message = f"it starts over inside a generation, with frame {frame['seq']}"
            self._complain("lost", message)
        self._first, self.last = frame["seq"], frame["seq"] - 1
        self._held = array("q")
        self._missing.clear()
        self._generation = None

    def _in_order(self, seq: int) -> bool:
        if seq in self._missing:
            self._missing.discard(seq)
            self.faults["lost"] -= 1
            self._complain("reordered", f"frame {seq} came after {self.last}")
            return False
        if seq <= self.last:
            self._complain("doubled", f"frame {seq} came again after {self.last}")
            return False
        for missing in range(self.last + 1, seq):
            self._missing.add(missing)
            self._held.append(0)
            self._complain("lost", f"frame {missing} is missing before {seq}")
        self.last = seq
        return True

    def _follow(self, frame: Frame) -> None:
        """Checks the order within a generation: queued, started, prompt, tokens, end."""
        kind = frame["type"]
        if kind in ("queued", "started"):
            if self._generation == "started":
                words = f"{kind} at frame {frame['seq']} while a generation ran"
                self._complain("unended", words)
            self._generation, self._step = kind, 0
        elif kind in ("prompt", "token"):
            if self._generation != "started":
                self._complain("unstarted", f"{kind} at frame {frame['seq']} before any `started`")
            if kind == "token":
                if frame["step"] != self._step:
                    message = f"step {frame['step']} at frame {frame['seq']}, not {self._step}"
                    self._complain("steps", message)
                self._step = frame["step"] + 1
        elif kind in ("finished", "error"):
            self._generation = None

    def _complain(self, kind: str, words: str) -> None:
        self.faults[kind] += 1
        if len(self.words) < _MOST_WORDS:
            self.words.append(f"{self.name} in {self.room}: {words}")
