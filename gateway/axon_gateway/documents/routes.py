"""`/api/docs`: both documents, and a page that shows them to people."""

from __future__ import annotations

import orjson
from aiohttp import web

from axon_gateway.documents import asyncapi, openapi, page

_DAY = {"Cache-Control": "no-cache"}


def routes(others: list[web.RouteDef]) -> list[web.RouteDef]:
    """The routes of the documents, which describe `others` and these."""

    async def human(request: web.Request) -> web.Response:
        """A page for people about both documents."""
        text = page.render(paths, socket, request.query_string)
        return web.Response(text=text, content_type="text/html", headers=_DAY)

    async def style(request: web.Request) -> web.Response:
        """The style of that page."""
        return web.Response(text=page.STYLE, content_type="text/css", headers=_DAY)

    async def of_paths(request: web.Request) -> web.Response:
        """The OpenAPI document."""
        return _json(paths_json)

    async def of_socket(request: web.Request) -> web.Response:
        """The AsyncAPI document."""
        return _json(socket_json)

    own = [
        web.get("/api/docs", human),
        web.get("/api/docs/style.css", style),
        web.get("/api/docs/openapi.json", of_paths),
        web.get("/api/docs/asyncapi.json", of_socket),
    ]
    paths = openapi.document([*others, *own])
    socket = asyncapi.document()
    paths_json, socket_json = orjson.dumps(paths), orjson.dumps(socket)
    return own


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers=_DAY)
