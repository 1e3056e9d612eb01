"""Conversations: turns with a role and a text, of which a model's chat template makes a prompt."""

from __future__ import annotations

from axon.v1 import inference_pb2 as pb

from axon_gateway.errors import Refusal
from axon_gateway.requests.fields import check_names, string, wrong_type


def read_messages(name: str, value: object) -> list[pb.ChatMessage]:
    """The turns in a JSON list. Raises Refusal."""
    if not isinstance(value, list):
        raise wrong_type(name, "a list of messages", value)
    if not value:
        raise Refusal("empty_prompt", f"{name} must not be empty", name)
    return [_message(f"{name}[{number}]", one) for number, one in enumerate(value)]


def _message(path: str, value: object) -> pb.ChatMessage:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    # null means the same as leaving the field out.
    given = {name: one for name, one in value.items() if one is not None}
    check_names(given, ("role", "content"), path=f"{path}.")
    role = string(f"{path}.role", given.get("role"))
    if not role:
        raise Refusal("out_of_range", f"{path}.role must not be empty", f"{path}.role")
    return pb.ChatMessage(role=role, content=_content(f"{path}.content", given.get("content")))


def _content(path: str, value: object) -> str:
    """A text, or the parts of one as OpenAI's clients send them."""
    if not isinstance(value, list):
        return string(path, value)
    texts = []
    for number, part in enumerate(value):
        own = f"{path}[{number}]"
        if not isinstance(part, dict):
            raise wrong_type(own, "an object", part)
        if part.get("type") != "text":
            raise Refusal("wrong_type", f"{own} must be a text; no other part is read", own)
        check_names(part, ("type", "text"), path=f"{own}.")
        texts.append(string(f"{own}.text", part.get("text")))
    return "".join(texts)
