"""A server that answers like Neuronpedia, and can fail in different ways.

`python -m tests.integration.gateway.fake_neuronpedia PORT` serves one source of 5,000 features,
`gpt2-small/8-res-jb`, for trials by hand.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SOURCE = "gpt2-small/8-res-jb"
#: Ways in which an answer can be wrong.
FAULTS = ("404", "403", "429", "500", "slow", "cut off", "malformed", "damaged")


@dataclass
class Seen:
    """The paths asked for."""

    files: list[str] = field(default_factory=list)
    features: list[int] = field(default_factory=list)


class FakeNeuronpedia:
    """The export has `labels` of `source`, `rows` to a batch; `single` is only in the API."""

    def __init__(
        self,
        labels: dict[int, str],
        single: dict[int, str] | None = None,
        rows: int = 8,
        source: str = SOURCE,
    ) -> None:
        self.source = source
        self.labels = labels
        self.single = single or {}
        self.rows = rows
        self.seen = Seen()
        #: The next faults of single files ("explanations/batch-2.jsonl.gz") and of the API.
        self.file_faults: dict[str, deque[str]] = {}
        self.api_faults: deque[str] = deque()
        #: The texts that the API and the export have of each feature.
        self.activations: list[dict[str, Any]] = []
        #: Headers and body of an answer 429.
        self.limit_headers: dict[str, str] = {}
        self.limit_body: dict[str, Any] = {"limitPerWindow": 25_000}
        #: Seconds before each file and before each answer of the API.
        self.delay = self.api_delay = 0.0
        #: Files wait for this.
        self.go = asyncio.Event()
        self.go.set()
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def export(self) -> str:
        return f"{self.url}/v1"

    @property
    def api(self) -> str:
        return f"{self.url}/api/feature"

    async def __aenter__(self) -> FakeNeuronpedia:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> FakeNeuronpedia:
        app = web.Application()
        app.router.add_get("/v1/{model}/{source}/{kind}/{name}", self._file)
        app.router.add_get("/api/feature/{model}/{source}/{index}", self._feature)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def files(self) -> dict[str, bytes]:
        """The export's files by kind and name."""
        order = sorted(self.labels, key=str)
        files = {}
        for number, start in enumerate(range(0, len(order), self.rows)):
            some = order[start : start + self.rows]
            for kind, row in (("explanations", self._explanation), ("features", _statistics)):
                lines = "".join(json.dumps(row(index)) + "\n" for index in some)
                files[f"{kind}/batch-{number}.jsonl.gz"] = gzip.compress(lines.encode())
            if self.activations:
                texts = [{"index": str(i), **text} for i in some for text in self.activations]
                lines = "".join(json.dumps(text) + "\n" for text in texts)
                files[f"activations/batch-{number}.jsonl.gz"] = gzip.compress(lines.encode())
        return files

    def _explanation(self, index: int) -> dict[str, Any]:
        return {
            "modelId": "gpt2-small",
            "layer": "8-res-jb",
            "index": str(index),
            "description": self.labels[index],
            "typeName": "oai_token-act-pair",
            "explanationModelName": "gpt-3.5-turbo",
        }

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = "{kind}/{name}".format(**request.match_info)
        if request.method == "GET":
            self.seen.files.append(name)
            await asyncio.sleep(self.delay)
            await self.go.wait()
        content = self.files().get(name)
        if content is None or "{model}/{source}".format(**request.match_info) != self.source:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        faults = self.file_faults.get(name)
        if faults and request.method == "GET":
            return await self._fail(request, faults.popleft(), content)
        return web.Response(body=content, content_type="application/x-gzip")

    async def _feature(self, request: web.Request) -> web.StreamResponse:
        index = int(request.match_info["index"])
        self.seen.features.append(index)
        await asyncio.sleep(self.api_delay)
        known = {**self.labels, **self.single}
        explanations = [
            {"description": known.get(index), "explanationModelName": "gpt-4o-mini", "scores": []}
        ]
        answer = {
            **_statistics(index),
            "explanations": explanations,
            "activations": self.activations,
        }
        content = json.dumps(answer).encode()
        if self.api_faults:
            return await self._fail(request, self.api_faults.popleft(), content)
        if index not in known:
            return web.json_response({"message": "Not Found"}, status=404)
        return web.Response(body=content, content_type="application/json")

    async def _fail(self, request: web.Request, fault: str, content: bytes) -> web.StreamResponse:
        assert fault in FAULTS, fault
        if fault == "429":
            return web.json_response(self.limit_body, status=429, headers=self.limit_headers)
        if fault.isdigit():
            return web.Response(status=int(fault), text="no")
        if fault == "slow":
            await asyncio.sleep(60)
        if fault == "malformed":
            return web.Response(text="<html>Down for maintenance</html>")
        if fault == "damaged":
            middle = len(content) // 2
            return web.Response(body=content[:middle] + b"\xff\xff\xff\xff" + content[middle + 4 :])
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        assert request.transport is not None
        request.transport.abort()
        return response


def _statistics(index: int) -> dict[str, Any]:
    return {"index": str(index), "maxActApprox": 12.5, "frac_nonzero": 0.003}


async def _serve(port: int) -> None:
    labels = {index: f"label {index}" for index in range(5000)}
    fake = await FakeNeuronpedia(labels, rows=100).start(port)
    fake.delay = 0.1
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
