"""Values that are not finite fail the request that caused them, and affect no later request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from axon_inference.engine.engine import Engine
from axon_inference.engine.events import Event, Failed, Finished, Token, Tokens
from axon_inference.engine.requests import Features, Request
from axon_inference.engine.scheduler import Scheduler
from axon_inference.engine.step import DeviceLost

from .. import tiny
from .harness import Bench

GOOD = ["the capital of France is", "a small cat sat on every warm mat", "stars"]
BAD = 7  # a token id


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    model = tiny.gpt2_folder(tmp_path_factory.mktemp("model"))
    saes = [
        tiny.sae_folder(tmp_path_factory.mktemp("saes") / str(layer), "standard", hook)
        for layer, hook in enumerate(["blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"])
    ]
    names = [f"{sae}=m/{index}-res" for index, sae in enumerate(saes)]
    return Bench.load(model, names, slots=3, prefill_tokens=4)


@pytest.fixture(params=[torch.nan, torch.inf, -torch.inf])
def bad_token(bench: Bench, request: pytest.FixtureRequest) -> Iterator[None]:
    """Makes the token BAD lead to values that are not finite, as can happen in half precision."""
    embedding = bench.loaded.runner.model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = embedding[BAD].clone()
    with torch.no_grad():
        embedding[BAD, 3] = request.param
    yield
    with torch.no_grad():
        embedding[BAD] = kept


def bad(bench: Bench, max_tokens: int, features: Features | None = None) -> Request:
    request = bench.request("a mat and stars under every warm cat", max_tokens)
    ids = (*request.prompt_ids[:3], BAD, *request.prompt_ids[3:])
    return replace(request, prompt_ids=ids, features=features or request.features)


def assert_same(found: list[list[Event]], wanted: list[list[Event]]) -> None:
    """The same tokens, and the same activations up to the rounding of another batch."""
    for events, want in zip(found, wanted, strict=True):
        assert isinstance(events[-1], Finished)
        for token, other in zip(tokens(events), tokens(want), strict=True):
            assert token.token_id == other.token_id
            for one, two in zip(token.source_features, other.source_features, strict=True):
                np.testing.assert_allclose(one.activations[:5], two.activations[:5], atol=1e-3)


def tokens(events: list[Event]) -> list[Token]:
    return [token for event in events if isinstance(event, Tokens) for token in event.tokens]


@pytest.mark.usefixtures("bad_token")
@pytest.mark.parametrize("steps_between", [0, 1])
def test_only_the_bad_requests_fail(bench: Bench, steps_between: int) -> None:
    requests = [bench.request(prompt, 12) for prompt in GOOD]
    alone = [bench.run([request])[0] for request in requests]
    mixed = [bad(bench, 12), requests[0], bad(bench, 0), requests[1], bad(bench, 3), requests[2]]
    ends = bench.run(mixed, steps_between)
    for events in ends[::2]:
        assert isinstance(events[-1], Failed)
        assert "not finite" in events[-1].message
    assert_same(ends[1::2], alone)


@pytest.mark.usefixtures("bad_token")
def test_a_bad_request_without_features_fails_too(bench: Bench) -> None:
    [events] = bench.run([bad(bench, 5, Features(top_k=0))])
    assert isinstance(events[-1], Failed)


@pytest.mark.usefixtures("bad_token")
@pytest.mark.parametrize("how", ["nothing wanted", "cancelled"])
def test_the_next_request_in_the_slot_is_right(bench: Bench, how: str) -> None:
    """Also after a bad request that does not fail: one that wants no feature and no token, or one
    that was cancelled."""
    want = bench.run([bench.request(text, 12) for text in GOOD])
    engine = Engine(
        bench.loaded.runner,
        bench.loaded.tokenizer,
        Scheduler(3, 9, 4),
        eos_ids=frozenset(),
        publish=lambda events: None,
    )
    quiet = bad(bench, 0, Features(top_k=0))
    ids = [engine.submit(quiet) for _ in range(3)]
    for _ in range(2):
        engine.step()
    for request_id in ids if how == "cancelled" else ():
        engine.cancel(request_id)
    while sum(engine.progress()):
        engine.step()
    assert_same(bench.run([bench.request(text, 12) for text in GOOD]), want)


@torch.no_grad()
def test_a_bad_source_fails_only_the_requests_that_ask_for_it(bench: Bench) -> None:
    sae = bench.loaded.runner.tap.sources[1].sae
    kept = sae.b_dec.clone()
    sae.b_dec.fill_(torch.nan)
    both = bench.request(GOOD[0], 5)
    one = replace(both, features=replace(both.features, sources=(0,)))
    try:
        asked, not_asked = bench.run([both, one])
    finally:
        sae.b_dec.copy_(kept)
    assert isinstance(asked[-1], Failed)
    assert isinstance(not_asked[-1], Finished)


@pytest.mark.parametrize("work", ["run", "begin", "swap", "free"])
@pytest.mark.parametrize(
    ("error", "gone", "told"),
    [
        (torch.AcceleratorError("lost"), True, DeviceLost),
        (torch.AcceleratorError("this one kernel"), False, torch.AcceleratorError),
        (KeyError(), True, KeyError),
    ],
)
def test_a_lost_device_is_distinguished_from_a_failure(
    bench: Bench,
    work: str,
    error: Exception,
    gone: bool,
    told: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*anything: object, **more: object) -> None:
        raise error

    runner = bench.loaded.runner
    arguments = {"run": ([],), "begin": (0, [1]), "swap": (0, 1), "free": (0,)}[work]
    monkeypatch.setattr("axon_inference.step.runner.lost", lambda device: gone)
    monkeypatch.setattr(type(runner), "_run", fail)
    monkeypatch.setattr(type(runner.cache), "_tensors", fail)
    monkeypatch.setattr(runner, "_seen", MagicMock(__setitem__=fail))
    with pytest.raises(told):
        getattr(runner, work)(*arguments)
