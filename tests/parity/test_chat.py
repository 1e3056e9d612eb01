"""A conversation through the real loader: the model reads what transformers makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from axon_inference.engine.chat import Message
from axon_inference.engine.events import Tokens
from transformers import AutoTokenizer

from .. import tiny
from . import reference
from .harness import Bench, assert_same

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}model:"


def test_a_conversation_is_read_as_transformers_writes_it(tmp_path: Path) -> None:
    folder = tiny.gpt2_folder(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    sae = tiny.sae_folder(tmp_path / "sae", "standard", "blocks.1.hook_resid_post")
    bench = Bench.load(folder, [sae], slots=2)
    served = bench.loaded.served
    assert bench.loaded.info.chat
    assert served.chat
    messages = [Message("user", "the capital of France"), Message("a", "Paris")]
    ids, roles = served.chat(messages)
    want = tokenizer.apply_chat_template(
        [one._asdict() for one in messages], add_generation_prompt=True, return_dict=False
    )
    assert ids == want
    request = replace(
        bench.request("a", 6), prompt_ids=tuple(ids), roles=tuple(roles), has_bos=False
    )
    [events] = bench.run([request])
    bridge, saes = reference.boot(folder), reference.load_saes([sae])
    assert_same(events, reference.generate(bridge, saes, ids, 6), atol=5e-4)
    tokens = [token for event in events if isinstance(event, Tokens) for token in event.tokens]
    assert [token.role for token in tokens] == [*roles, *[None] * 6]
    assert "".join(token.text for token in tokens if token.role == "user") == messages[0].content
    assert {token.role for token in tokens[: len(ids)]} == {"user", "a", ""}
