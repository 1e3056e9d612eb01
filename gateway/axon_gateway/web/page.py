"""The built page's files. Browsers ask for the document each time, for hashed assets once."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_NOT_BUILT = """<!doctype html><meta charset="utf-8"><title>Axon</title>
<p>The gateway is running, but the page is not built.
Run <code>make run</code>, or build <code>frontend/</code> and set <code>AXON_PAGE</code>.
"""
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


def routes(folder: Path | None) -> list[web.RouteDef]:
    """`/` and `/r/{room}` are the document, other paths the files in `folder`."""

    async def document(request: web.Request) -> web.StreamResponse:
        if folder is None or not (folder / "index.html").is_file():
            return web.Response(status=503, text=_NOT_BUILT, content_type="text/html")
        return _file(folder / "index.html", _ASK_AGAIN)

    async def room(request: web.Request) -> web.StreamResponse:
        # The same document, one folder deeper: its paths are relative, for proxies with sub-paths.
        path = _inside(folder, "room.html")
        return await document(request) if path is None else _file(path, _ASK_AGAIN)

    async def without_slash(request: web.Request) -> web.StreamResponse:
        raise web.HTTPPermanentRedirect(f"../{request.match_info['room']}")

    async def file(request: web.Request) -> web.StreamResponse:
        path = _inside(folder, request.match_info["path"])
        if path is None:
            raise web.HTTPNotFound(text="there is no such page or file\n")
        # Vite puts everything whose name carries a hash of its content below assets/.
        hashed = request.match_info["path"].startswith("assets/")
        return _file(path, _FOREVER if hashed else _ASK_AGAIN)

    return [
        web.get("/", document),
        web.get("/r/{room}", room),
        web.get("/r/{room}/", without_slash),
        web.get("/{path:(?s:.+)}", file),
    ]


def _file(path: Path, cache: str) -> web.FileResponse:
    return web.FileResponse(path, headers={"Cache-Control": cache})


def _inside(folder: Path | None, name: str) -> Path | None:
    """The file `name` in `folder`; None for anything that is not there or leads out of it."""
    if folder is None:
        return None
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None  # not a possible name: too long, or with a NUL or half a surrogate pair
