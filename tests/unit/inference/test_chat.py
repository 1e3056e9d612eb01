"""Messages become the prompt that transformers makes of them, and each token tells whose it is."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.engine.chat import Chat, Message, Template, Unfit
from axon_inference.engine.requests import Served
from axon_inference.serving import validation
from axon_inference.serving.fields import InvalidRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from ... import tiny

# In the ways of those that are met: one that leaves messages as they are; one that trims them,
# joins the system's with the user's, insists on turns, and begins with BOS; one that forgets
# thoughts.
PLAIN = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|stop|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
STRICT = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
{%- set first, rest = messages[0]['content'] | trim + '\\n\\n', messages[1:] %}
{%- else %}
{%- set first, rest = '', messages %}
{%- endif %}
{%- for m in rest %}
{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('turns must alternate') }}
{%- endif %}
{{- '<|start|>' + m['role'] + '\\n' }}
{%- if loop.first %}{{ first }}{% endif %}
{{- m['content'] | trim + '<|stop|>\\n' }}
{%- endfor %}
{{- '<|start|>model\\n' }}"""
FORGETFUL = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{% if m.role == 'assistant' and '</think>' in "
    "m.content %}{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}"
    "{% endif %}<|stop|>{% endfor %}<|start|>assistant\n"
)
REWRITES = "{% for m in messages %}{{ m.content | length }}{% endfor %}"
TEMPLATES = {"plain": PLAIN, "strict": STRICT, "forgetful": FORGETFUL}


@cache
def tokenizer(template: str = PLAIN) -> Any:
    """A byte-level BPE tokenizer that knows a few special tokens."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    raw = ByteLevelBPETokenizer()
    special = ["<|bos|>", "<|start|>", "<|stop|>"]
    raw.train_from_iterator(["user assistant\n\n the cat"] * 3, 400, special_tokens=special)
    found = PreTrainedTokenizerFast(
        tokenizer_object=raw._tokenizer,
        bos_token=special[0],
        eos_token=special[2],
        additional_special_tokens=special[1:],
    )
    found.chat_template = template
    return found


def template(text: str = PLAIN) -> Template:
    found = Template.of(tokenizer(text), threading.Lock())
    assert found
    return found


def said(chat: Chat, role: str, of: str = PLAIN) -> str:
    """The text of the tokens of one role."""
    pairs = zip(chat.ids, chat.roles, strict=True)
    return str(tokenizer(of).decode([number for number, own in pairs if own == role]))


TALK = [
    Message("system", "be brief"),
    Message("user", " the cat\n"),
    Message("assistant", "the <b> cat"),
    Message("user", "cat é 猫?"),
]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_ids_are_those_of_transformers(kind: str) -> None:
    text = TEMPLATES[kind]
    for count in (2, 4):
        told = [message._asdict() for message in TALK[:count]]
        want = tokenizer(text).apply_chat_template(
            told, add_generation_prompt=True, return_dict=False
        )
        chat = template(text)(TALK[:count])
        assert chat.ids == want
        trims = kind == "strict"
        users = [
            m.content.strip() if trims else m.content for m in TALK[:count] if m.role == "user"
        ]
        assert said(chat, "user", text) == "".join(users)
        assert said(chat, "system", text) == "be brief"
        assert said(chat, "", text).count("<|start|>") == count + (kind != "strict")
    assert chat.ids.count(tokenizer().bos_token_id) == (kind == "strict")


def test_a_thought_that_the_template_forgets_is_not_told() -> None:
    messages = [Message("user", "cat"), Message("assistant", "<think>a</think>\n\nthe cat")]
    chat = template(FORGETFUL)([*messages, TALK[3]])
    assert said(chat, "assistant", FORGETFUL) == "the cat"
    assert "think" not in tokenizer().decode(chat.ids)


NAMES = st.sampled_from(
    ["<|stop|>", "<|start|>", "<|bos|>", "<|st", "op|>", "the", " cat", "\n", "é"]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=4).map("".join), min_size=1, max_size=3))
def test_names_of_special_tokens_in_messages_are_text(contents: list[str]) -> None:
    chat = template()([Message("user", content) for content in contents])
    special = set(tokenizer().all_special_ids)
    assert not special & {n for n, r in zip(chat.ids, chat.roles, strict=True) if r}
    # A token of the template's last newline and a message's first is of the message.
    assert said(chat, "user").replace("\n", "") == "".join(contents).replace("\n", "")
    starts = chat.ids.count(tokenizer().convert_tokens_to_ids("<|start|>"))
    assert starts == len(contents) + 1
    whole = "".join(f"<|start|>user\n{content}<|stop|>\n" for content in contents)
    assert tokenizer().decode(chat.ids) == f"{whole}<|start|>assistant\n"


def test_names_are_text_in_a_tokenizer_of_words_too(tmp_path: Path) -> None:
    words = tiny.sentencepiece_folder(tmp_path)
    words.chat_template = "{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}"
    one = Template.of(words, threading.Lock())
    assert one
    chat = one([Message("user", "a small </s> cat"), Message("user", "<s>")])
    by = {role: [n for n, own in zip(*chat, strict=True) if own == role] for role in ("", "user")}
    assert by[""] == [words.bos_token_id, words.eos_token_id] * 2
    assert not set(by["user"]) & set(words.all_special_ids)
    assert words.decode(by["user"]).replace(" ", "") == "asmall</s>cat<s>"


@pytest.mark.parametrize(
    ("text", "messages", "field", "why"),
    [
        (STRICT, [TALK[1], TALK[2], TALK[2]], "[2]", "turns must alternate"),
        (STRICT, [TALK[2]], "[0]", "turns must alternate"),
        (REWRITES, [TALK[1]], "", "rewritten"),
        (PLAIN, [TALK[1], Message("user", "a\ufdd0b")], "[1].content", "no character"),
    ],
)
def test_what_does_not_fit_the_template_is_named(
    text: str, messages: list[Message], field: str, why: str
) -> None:
    with pytest.raises(Unfit, match=why) as caught:
        template(text)(messages)
    assert caught.value.field == field


def test_a_tokenizer_without_a_template_has_no_chat() -> None:
    plain = tokenizer("")
    assert Template.of(plain, threading.Lock()) is None


def served(text: str | None = PLAIN, *, bos: bool = True, context: int = 100) -> Served:
    own = tokenizer(text or PLAIN)
    bos_id = own.bos_token_id if bos else None
    chat = None if text is None else template(text)
    return Served("m", ("m/0-res",), context, len(own), bos_id, own.encode, chat=chat)


def resolve(served: Served, *messages: Message, prompt: str = "") -> Any:
    asked = [pb.ChatMessage(role=one.role, content=one.content) for one in messages]
    request = pb.GenerateRequest(prompt=prompt, messages=asked)
    described = pb.GetModelResponse(limits=pb.Limits(max_branches=1))
    return validation.resolve(request, served, described)


@pytest.mark.parametrize("text", [PLAIN, STRICT])
def test_bos_is_there_once(text: str) -> None:
    bos = tokenizer().bos_token_id
    request = resolve(served(text), TALK[1])
    assert request.prompt_ids[0] == bos
    assert request.prompt_ids.count(bos) == 1
    assert request.has_bos
    assert request.roles[0] == ""
    assert len(request.roles) == len(request.prompt_ids)
    without = resolve(served(text, bos=False), TALK[1])
    assert without.prompt_ids.count(bos) == (text == STRICT)


@pytest.mark.parametrize(
    ("one", "messages", "prompt", "bad"),
    [
        (served(), [TALK[1]], "cat", "messages: is set, and prompt too"),
        (served(), [], "", "prompt: is empty"),
        (served(None), [TALK[1]], "", "messages: needs a chat template"),
        (served(), [TALK[1], Message("", "cat")], "", r"messages\[1\].role: is empty"),
        (
            served(),
            [Message("user", "cat" * 999)],
            "",
            "messages: has 1 messages of 3001 characters",
        ),
        (served(), [Message("user", "zyx" * 99)], "", "messages: has .* tokens"),
        (served(STRICT), [TALK[1], TALK[1]], "", r"messages\[1\]: does not fit .*alternate"),
    ],
)
def test_the_bad_field_is_named(
    one: Served, messages: list[Message], prompt: str, bad: str
) -> None:
    with pytest.raises(InvalidRequest, match=bad):
        resolve(one, *messages, prompt=prompt)
