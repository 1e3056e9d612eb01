"""A small HTTP server that answers as the Hugging Face hub does, and can break off answers."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from .releases import COMMIT


@dataclass
class FakeHub:
    """Repositories, and the server's faults; `asked` records every request for a file."""

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    tokens: dict[str, set[str]] = field(default_factory=dict)  # by token, what it may read
    # By file: after how many bytes each of its next answers ends, or stalls if negative.
    cuts: dict[str, list[int]] = field(default_factory=dict)
    broken: bool = False  # answers nothing at all
    trouble: int = 0  # answers everything with this status
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # file, range, token
    released: threading.Event = field(default_factory=threading.Event)  # ends stalled answers

    def ranges(self, name: str) -> list[str]:
        """The Range headers of the requests for a file's content; "" asked for the whole file."""
        return [range_ for asked, range_, _ in self.asked if asked == name]


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve until the end of the block."""

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.state.broken:
            self.close_connection = True
            return
        if self.state.trouble:
            self._refuse(self.state.trouble, "Trouble")
            return
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/[^/]+)?", path):
            self._describe(found[1])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(found[1], found[3])
        else:
            self._refuse(404, "EntryNotFound")

    def _describe(self, repository: str) -> None:
        files = self.state.repositories.get(repository)
        if files is None:
            # Like the real hub: without a token, private and missing repositories look the same.
            self._refuse(401, "RepoNotFound")
            return
        siblings = [described(name, content) for name, content in files.items()]
        answer = {"id": repository, "sha": COMMIT, "siblings": siblings, "tags": []}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, repository: str, name: str) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        may_read = repository in self.state.tokens.get(token, ())
        if repository in self.state.gated and not may_read:
            self._refuse(403 if token else 401, "GatedRepo")
            return
        content = self.state.repositories.get(repository, {}).get(name)
        if content is None:
            self._refuse(404, "EntryNotFound")
            return
        size, digest = len(content), described(name, content)
        etag = str(digest["lfs"]["sha256"] if "lfs" in digest else digest["blobId"])
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if self.command == "GET":
            self.state.asked.append((name, self.headers.get("Range", ""), token))
        status = 200
        if wanted := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first = int(wanted[1])
            content, status = content[first:], 206
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        self._send(status, content, headers, name)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": f"refused: {code}"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], name: str = "") -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cuts = self.state.cuts.get(name)
        if not cuts:
            self.wfile.write(body)
            return
        cut = cuts.pop(0)
        self.wfile.write(body[: abs(cut)])
        if cut < 0:  # stall instead of ending
            self.state.released.wait(50)
        self.close_connection = True


def described(name: str, content: bytes) -> dict[str, object]:
    """A file as the hub describes it: every file has git's blob id, large ones a SHA-256 too."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob}
    if name.endswith((".safetensors", ".bin", ".npz", ".pt")):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
    return entry
