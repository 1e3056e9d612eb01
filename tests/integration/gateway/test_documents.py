"""The documents about the gateway, and whether the running gateway does what they say."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
import schemathesis
from axon_gateway.documents import asyncapi, openapi
from axon_gateway.errors import Refusal
from axon_gateway.openai import routes as openai
from axon_gateway.requests import parse
from axon_gateway.web import routes
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from ...unit.gateway.test_golden import every_answer, every_frame
from .fake_inference import MODEL, SOURCES, FakeInference
from .harness import Running

SOCKET = asyncapi.document()


@pytest.fixture
async def paths(gateway: Running) -> dict[str, Any]:
    async with gateway.http.get(f"{gateway.url}/api/docs/openapi.json") as answer:
        assert answer.status == 200
        return dict(await answer.json())


def references(document: Any) -> list[str]:
    if isinstance(document, list):
        return [found for one in document for found in references(one)]
    if not isinstance(document, dict):
        return []
    own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
    return own + [found for one in document.values() for found in references(one)]


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


async def test_both_documents_are_whole(gateway: Running, paths: dict[str, Any]) -> None:
    async with gateway.http.get(f"{gateway.url}/api/docs/asyncapi.json") as answer:
        socket = await answer.json()
    assert (paths["openapi"], socket["asyncapi"]) == ("3.1.0", "3.0.0")
    for document in (paths, socket):
        found = references(document)
        assert found
        assert all(resolve(document, one) for one in found)
        for schema in document["components"]["schemas"].values():
            Draft202012Validator.check_schema(schema)


def test_each_route_is_described_and_nothing_else() -> None:
    described = openapi.document([*routes.routes(), *openai.routes()])["paths"]
    found = {(method.upper(), path) for path in described for method in described[path]}
    own = {key for key in openapi.OPERATIONS if key[1].startswith("/api/docs")}
    assert found == openapi.OPERATIONS.keys() - own
    assert all(one["summary"] for path in described.values() for one in path.values())


@pytest.mark.parametrize("name", [*every_frame(), *every_answer()])
def test_a_frame_is_as_described(name: str) -> None:
    frame = {**every_frame(), **every_answer()}[name]
    kind = f"Frame.{frame['type']}"
    schema = {"$ref": f"#/components/schemas/{kind}", "components": SOCKET["components"]}
    Draft202012Validator(schema).validate(frame)
    assert frame.keys() <= SOCKET["components"]["schemas"][kind]["properties"].keys()


def test_each_kind_of_frame_is_described() -> None:
    kinds = {frame["type"] for frame in [*every_frame().values(), *every_answer().values()]}
    assert kinds == {one["name"] for name, one in sent_by("tell")}


def test_each_kind_of_message_is_described() -> None:
    with pytest.raises(Refusal) as refused:
        parse('{"type": "x"}', 1000)
    known = re.findall(r"\w+", str(refused.value).removeprefix("type must be").partition("not")[0])
    described = {one["name"] for name, one in sent_by("ask")}
    assert described == {*known, "enter"} - {"or"}


def sent_by(operation: str) -> list[tuple[str, Any]]:
    names = [one["$ref"].rpartition("/")[2] for one in SOCKET["operations"][operation]["messages"]]
    return [(name, SOCKET["components"]["messages"][name]) for name in names]


async def test_the_page_shows_both_and_needs_no_script(gateway: Running) -> None:
    async with gateway.http.get(f"{gateway.url}/api/docs?access=a%26b") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        page = await answer.text()
    assert "POST /v1/chat/completions" in page
    assert "<code>branch_ended</code>" in page
    assert "<script" not in page
    assert "style=" not in page
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert links == [
        f"docs/{name}?access=a%26b" for name in ("style.css", "openapi.json", "asyncapi.json")
    ]
    for link in links:
        async with gateway.http.get(f"{gateway.url}/api/{link}") as answer:
            assert answer.status == 200


async def test_the_examples_are_answered_as_described(
    gateway: Running, inference: FakeInference, paths: dict[str, Any]
) -> None:
    inference.chat = True
    posts = {path: one["post"] for path, one in paths["paths"].items() if "post" in one}
    assert posts
    for path, operation in posts.items():
        [content] = operation["requestBody"]["content"].values()
        schema = {**content["schema"], "components": paths["components"]}
        Draft202012Validator(schema).validate(content["example"])
        async with gateway.http.post(f"{gateway.url}{path}", json=content["example"]) as answer:
            assert (path, answer.status) == (path, 200)
            described = operation["responses"]["200"]["content"][answer.content_type]["schema"]
            text = await answer.text()
        told = json.loads(text) if answer.content_type == "application/json" else text
        Draft202012Validator(described).validate(told)
        for line in text.splitlines() if answer.content_type.endswith("ndjson") else ():
            frame = json.loads(line)
            kind = {"$ref": f"#/components/schemas/Frame.{frame['type']}"}
            Draft202012Validator({**kind, "components": paths["components"]}).validate(frame)


#: What any answer must be. Valid requests may be refused: only the model knows its sources.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
EXAMPLES = 12


async def test_the_running_gateway_does_what_the_document_says(
    gateway: Running, inference: FakeInference
) -> None:
    inference.chat = True
    await gateway.gateway.backends.check()
    answered = await asyncio.to_thread(check_all, gateway.url)
    refused = {path for path, statuses in answered.items() if min(statuses) >= 400}
    # Only the model's server knows its sources.
    assert refused <= {"/api/generate", "/api/explain", "/api/rooms/{room}/recording.jsonl"}
    assert len(answered) == len({path for _, path in openapi.OPERATIONS})


def check_all(url: str) -> dict[str, set[int]]:
    """Calls each operation with examples of what it takes and of what it refuses."""
    load_all_checks()
    checks = [schemathesis.checks.CHECKS.get_by_names([name])[0] for name in CHECKS]
    schema = schemathesis.openapi.from_url(f"{url}/api/docs/openapi.json")
    answered: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        # Nothing is wrong in a path, and a query has mostly text.
        for mode in GenerationMode if operation.body else [GenerationMode.POSITIVE]:
            examples = operation.as_strategy(generation_mode=mode)
            check(examples, url, checks, answered.setdefault(operation.path, set()))
    return answered


def check(examples: Any, url: str, checks: list[Any], statuses: set[int]) -> None:
    """Sends some of the `examples`, the same in each run, and collects the answers' statuses."""

    @seed(1)
    @bounded(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=examples)
    def send(case: schemathesis.Case) -> None:
        known(case)
        response = case.call(base_url=url, timeout=30)
        statuses.add(response.status_code)
        case.validate_response(response, checks=checks)

    send()


def known(case: schemathesis.Case) -> None:
    """Names a model and a source that exist, where a valid example names any."""
    parts = case.path_parameters or {}
    if "source" in parts:
        parts["model"], parts["source"] = SOURCES[0].split("/")
    for fields in (parts, case.query or {}, case.body if isinstance(case.body, dict) else {}):
        if isinstance(fields.get("model"), str):
            fields["model"] = MODEL
