"""The page about both documents: plain HTML without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid; margin-top: 1.5rem; }
h1, h2 { line-height: 1.2; } h3 { margin-bottom: 0; }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; } td { vertical-align: top; padding: 0.1rem 1rem 0.1rem 0; }
"""

Json = Mapping[str, Any]
_CODE = re.compile("`([^`]+)`")


def render(paths: Json, socket: Json, query: str) -> str:
    """The page. Its links keep the `query`, which may hold the access token."""
    return "".join(_page(paths, socket, f"?{escape(query)}" if query else ""))


def _page(paths: Json, socket: Json, query: str) -> Iterator[str]:
    title = escape(paths["info"]["title"])
    yield '<!doctype html><html lang="en"><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    # Its links are below its own address, which has no slash at its end.
    yield f'<title>{title}</title><link rel="stylesheet" href="docs/style.css{query}">'
    yield f"<body><h1>{title} {escape(paths['info']['version'])}</h1><p>For machines: "
    yield f'<a href="docs/openapi.json{query}">OpenAPI 3.1</a> (HTTP) and '
    yield f'<a href="docs/asyncapi.json{query}">AsyncAPI 3</a> (the live socket).</p>'
    yield "<main><section><h2>HTTP</h2>"
    schemas = paths["components"]["schemas"]
    for path, methods in paths["paths"].items():
        for method, operation in methods.items():
            yield from _operation(f"{method.upper()} {path}", operation, schemas)
    yield "</section>"
    for name, title in (("ask", "What a socket takes"), ("tell", "What a socket sends")):
        yield f"<section><h2>{title}</h2>"
        for one in socket["operations"][name]["messages"]:
            message = socket["components"]["messages"][one["$ref"].rpartition("/")[2]]
            yield f"<h3><code>{escape(message['name'])}</code></h3>"
            yield from _fields(_resolved(message["payload"], schemas))
        yield "</section>"
    yield "</main></body></html>"


def _operation(name: str, operation: Json, schemas: Json) -> Iterator[str]:
    summary = _CODE.sub(r"<code>\1</code>", escape(operation["summary"]))
    yield f"<h3><code>{escape(name)}</code></h3><p>{summary}</p>"
    asked = {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "query"}
    needed = [one["name"] for one in operation["parameters"] if one["required"]]
    if asked:
        yield from _fields({"properties": asked, "required": needed})
    if body := operation.get("requestBody"):
        [content] = body["content"].values()
        yield from _fields(_resolved(content["schema"], schemas))
    for kind in operation["responses"]["200"]["content"]:
        yield f"<p>Answers <code>{escape(kind)}</code>.</p>"


def _fields(schema: Json) -> Iterator[str]:
    yield "<table>"
    for name, one in schema["properties"].items():
        must = ", needed" if name in schema.get("required", ()) and "const" not in one else ""
        yield f"<tr><td><code>{escape(name)}</code><td>{escape(_kind(one))}{must}"
    yield "</table>"


def _kind(schema: Json) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"] if one != {"type": "null"})
    if "const" in schema:
        return repr(schema["const"])
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return kind if low is None else f"{kind}, {low} to {high}"


def _resolved(schema: Json, schemas: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = schemas[name] if name else schema
    return found
