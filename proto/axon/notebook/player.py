"""A player in a notebook: a recording, or a room while it runs.

What is drawn is decided here; `player.js` only draws. A room is read by Python, so the notebook's
page need not reach the gateway.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axon import extras, recording
from axon.errors import AxonError
from axon.recording import Frame, RecordingError

_EXTRA = "notebook"
#: Features of a token that are drawn, by source.
_FEATURES = 3
#: Bytes of a message of the gateway: a late viewer gets a room's whole log.
_LARGEST = 64 * 1024 * 1024
#: Seconds to wait for the gateway.
_PATIENCE = 10.0

Step = dict[str, Any]


def play(what: str | Path, *, token: str | None = None, features: int = _FEATURES) -> Any:
    """A widget that plays a recording (the path of a file) or a room (its address, http://.../r/ROOM).

    `token` is the access token of a gateway that wants one, `features` how many of each source and
    token are drawn. `close()` leaves the room. Raises AxonError for a file that is no recording, a
    room that is not there, or without the packages of `axon-client[notebook]`.
    """
    made = _widget()
    if urlsplit(str(what)).scheme in ("http", "https"):
        return made(steps=[], room=_Room(str(what), token, features))
    try:
        frames = recording.load(Path(what).read_text(errors="replace").split("\n"))
    except (OSError, RecordingError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise AxonError("INVALID_ARGUMENT", f"{what}: {why}") from None
    return made(steps=list(steps(frames, features)))


def steps(frames: Iterable[Frame], features: int = _FEATURES) -> Iterator[Step]:
    """What frames add to the drawing: a beginning, tokens of a branch, labels, or an end."""
    for frame in frames:
        match frame["type"]:
            case "batch":
                yield from steps(frame["frames"], features)
            case "started":
                yield {"names": recording.branches(frame)}
            case "labels":
                named = frame["labels"].items()
                yield {"labels": {f"{frame['source']}/{id_}": text for id_, text in named}}
            case "finished":
                yield {"end": f"ended by {frame['reason']}"}
            case "error":
                yield {"end": frame["message"]}
            case "prompt" | "token":
                drawn = [_token(one, features) for one in recording.tokens(frame)]
                yield {"branch": frame.get("branch", 0), "tokens": drawn, "time": frame.get("time")}


def _token(token: Frame, features: int) -> Step:
    count: dict[str, int] = {}
    shown = []
    for feature in token["features"]:
        source = feature["source"]
        count[source] = count.get(source, 0) + 1
        if count[source] <= features or "before" in feature:
            name = f"{source}/{feature['id']}"
            shown.append([name, feature["activation"], feature.get("label") or ""])
    return {"text": token["token"], "generated": "step" in token, "features": shown}


class _Room:
    """Reads a room's frames in a thread of its own, and passes on what they add."""

    def __init__(self, address: str, token: str | None, features: int) -> None:
        client = extras.load("websockets.sync.client", _EXTRA)
        parts = urlsplit(address)
        before, _, room = parts.path.rstrip("/").rpartition("/r/")
        if not room or "/" in room:
            raise AxonError("INVALID_ARGUMENT", f"{address} is no room; one ends in /r/ROOM")
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._open = ExitStack()
        try:
            self._socket = self._open.enter_context(
                client.connect(
                    f"{scheme}://{parts.netloc}{before}/ws?room={room}",
                    additional_headers={"Authorization": f"Bearer {token}"} if token else {},
                    max_size=_LARGEST,
                    open_timeout=_PATIENCE,
                )
            )
        except Exception as error:  # the package raises its own kinds, and the system's
            raise AxonError("UNAVAILABLE", f"{address}: {error}") from None
        self._features = features
        self._widget: Any = None
        self._lock = threading.Lock()
        #: All so far, for a view that is drawn late.
        self.steps: list[Step] = []

    def start(self, widget: Any) -> None:
        """Begins to read, for this widget."""
        self._widget = widget
        widget.on_msg(self._asked)
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """Leaves the room."""
        self._open.close()

    def _asked(self, _widget: Any, asked: Any, _buffers: Any) -> None:
        """A view that is drawn now wants all so far."""
        if asked == {"want": "steps"}:
            with self._lock:
                self._widget.send({"all": self.steps})

    def _read(self) -> None:
        try:
            for message in self._socket:
                self._add(list(steps([json.loads(message)], self._features)))
            why = "the gateway ended the connection"
        except Exception as error:  # whatever ends it, people shall read why
            why = f"the connection ended: {error}"
        self._add([{"end": why}])

    def _add(self, new: list[Step]) -> None:
        if new:
            with self._lock:
                self.steps += new
                self._widget.send({"more": new})


def _widget() -> Any:
    """The widget's class. Its base is imported only now."""
    base: Any = extras.load("anywidget", _EXTRA).AnyWidget
    traitlets = extras.load("traitlets", _EXTRA)

    class Player(base):  # type: ignore[misc]
        """Plays steps that it has, or that its room sends."""

        _esm = Path(__file__).with_name("player.js").read_text()
        steps = traitlets.List().tag(sync=True)
        live = traitlets.Bool(False).tag(sync=True)

        def __init__(self, steps: list[Step], room: _Room | None = None) -> None:
            super().__init__(steps=steps, live=room is not None)
            self.room = room
            if room is not None:
                room.start(self)

        def close(self) -> None:
            if self.room is not None:
                self.room.close()
            super().close()

    return Player
