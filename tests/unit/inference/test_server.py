"""Streams of messages, and how they are made from events."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from axon.v1 import inference_pb2 as pb
from axon_inference.engine.events import (
    Event,
    Failed,
    Finished,
    Place,
    Queued,
    Reason,
    Started,
    Token,
    Tokens,
)
from axon_inference.engine.requests import Features, Request, Served
from axon_inference.engine.step import SourceRows, StepResult
from axon_inference.serving.server import Listeners, MessageStream

from tests.patience import PATIENCE

SERVED = Served("m", ("m/0-res",), 64, 100, None, lambda text: [1])
REQUEST = Request((1,), 5)


def step(k: int, rows: int = 1, sources: int = 1) -> StepResult:
    """Row r has the features 0, 1, ... with the activations 9, ..., 1, source s ten times those."""
    return StepResult(
        next_ids=[7],
        logprobs=[-1.0],
        finite=[True],
        offsets=[0],
        sources={
            source: SourceRows(
                ids=np.tile(np.arange(k), (rows, 1)),
                activations=np.tile(np.linspace(9, 1, k, dtype=np.float32), (rows, 1))
                * np.float32(10**source),
                l0=np.arange(rows) + k,
                error=np.full(rows, 0.125, dtype=np.float32),
            )
            for source in range(sources)
        },
    )


def token(position: int, k: int = 0, wanted: Features | None = None, sources: int = 1) -> Token:
    place = Place(step(k, sources=sources), 0)
    wanted = wanted or Features(sources=(0,), top_k=256)
    return Token(position, 7, "x", True, -1.0, place, wanted)


async def messages(*events: Event, most_bytes: int = 2 << 20) -> list[pb.GenerateResponse]:
    """What a reader gets who comes after all of these events."""
    stream = MessageStream(REQUEST, SERVED, most_bytes=most_bytes)
    for event in (*events, Failed("end")):
        stream.put(event)
    found = []
    while not isinstance(message := await stream.next(), Failed):
        found.append(message)
    return found


async def sent(*tokens: Token) -> list[pb.Token]:
    [message] = await messages(Tokens(list(tokens)))
    return list(message.tokens.tokens)


async def test_unread_tokens_are_joined_into_one_message() -> None:
    end = Finished(Reason.LENGTH, 1, 3)
    tokens = Tokens([token(0)]), Tokens([token(1), token(2)])
    first, second, last = await messages(Started(), *tokens, end)
    assert first.HasField("started")
    assert [t.position for t in second.tokens.tokens] == [0, 1, 2]
    assert last.finished.generated_tokens == 3


async def test_tokens_do_not_join_a_message_across_another_or_one_that_was_taken() -> None:
    stream = MessageStream(REQUEST, SERVED)
    stream.put(Tokens([token(0)]))
    taken = await stream.next()
    assert isinstance(taken, pb.GenerateResponse)
    for event in (Tokens([token(1)]), Queued(0), Tokens([token(2)])):
        stream.put(event)
    assert [t.position for t in taken.tokens.tokens] == [0]
    kinds = []
    for _ in range(3):
        message = await stream.next()
        assert isinstance(message, pb.GenerateResponse)
        kinds.append(message.WhichOneof("event"))
    assert kinds == ["tokens", "queued", "tokens"]


async def test_a_slow_reader_does_not_make_new_tokens_more_expensive() -> None:
    """Copying all unread tokens for each new one would take minutes here."""
    event, count = Tokens([token(0)]), 300_000
    found = await messages(*[event] * count)
    assert sum(len(message.tokens.tokens) for message in found) == count


async def test_a_reader_waits_for_events_of_the_engines_thread() -> None:
    listeners = Listeners(asyncio.get_running_loop())
    stream = MessageStream(REQUEST, SERVED)
    listeners.open(3, stream)
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    await asyncio.to_thread(listeners.publish, [(2, Started()), (3, Started())])
    message = await asyncio.wait_for(waiting, PATIENCE)
    assert isinstance(message, pb.GenerateResponse)
    assert message.HasField("started")


async def test_features_that_cannot_be_read_fail_only_the_request_that_wants_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listeners = Listeners(asyncio.get_running_loop())
    bad, good = (MessageStream(REQUEST, SERVED) for _ in range(2))
    for number, stream in enumerate((bad, good), 1):
        listeners.open(number, stream)
    missing = token(0, wanted=Features(sources=(0, 7)))
    for _ in range(2):
        listeners.publish([(1, Tokens([token(5), missing])), (2, Tokens([token(0)]))])
    await asyncio.sleep(0)
    whole, failed = await bad.next(), await bad.next()
    assert isinstance(whole, pb.GenerateResponse)
    assert [t.position for t in whole.tokens.tokens] == [5], "no part of the bad token"
    assert isinstance(failed, Failed)
    assert failed.message == "this request could not be computed (KeyError: 7)"
    message = await good.next()
    assert isinstance(message, pb.GenerateResponse)
    assert [t.position for t in message.tokens.tokens] == [0, 0]
    assert len(caplog.records) == 1, "a cause is logged once"


async def test_a_first_token_that_cannot_be_read_leaves_no_empty_message() -> None:
    listeners = Listeners(asyncio.get_running_loop())
    stream = MessageStream(REQUEST, SERVED)
    listeners.open(1, stream)
    listeners.publish([(1, Tokens([token(0, wanted=Features(sources=(0, 7)))]))])
    await asyncio.sleep(0)
    assert isinstance(await stream.next(), Failed)


async def test_many_tokens_are_split_into_messages_of_limited_size() -> None:
    event = Tokens([token(position, 50) for position in range(100)])
    assert len(await messages(event)) == 1
    parts = await messages(event, most_bytes=4000)
    assert len(parts) > 5
    assert all(part.ByteSize() <= 4000 for part in parts)
    positions = [t.position for part in parts for t in part.tokens.tokens]
    assert positions == list(range(100))


async def test_features_are_packed_with_their_activations() -> None:
    [found] = await sent(token(4, 3))
    [features] = found.source_features
    assert (found.position, found.text, found.logprob) == (4, "x", -1.0)
    assert found.origin == pb.TOKEN_ORIGIN_GENERATED
    assert list(features.ids) == [0, 1, 2]
    assert list(features.activations) == [9.0, 5.0, 1.0]
    assert (features.l0, features.reconstruction_error) == (3, 0.125)


async def test_a_token_of_the_prompt_has_no_logprob() -> None:
    [found] = await sent(token(0)._replace(generated=False, logprob=None))
    assert found.origin == pb.TOKEN_ORIGIN_PROMPT
    assert not found.HasField("logprob")


@pytest.mark.parametrize(
    ("top_k", "threshold", "ids"),
    [
        (256, 0.0, [0, 1, 2]),
        (2, 0.0, [0, 1]),
        (1, 5.0, [0]),
        (256, 4.9, [0, 1]),
        (256, 5.0, [0]),  # strictly above
        (256, 9.0, []),
        (2, 99.0, []),
    ],
)
async def test_each_request_gets_as_many_features_as_it_wants(
    top_k: int, threshold: float, ids: list[int]
) -> None:
    wanted = Features(sources=(0,), top_k=top_k, threshold=threshold)
    [found] = await sent(token(0, 3, wanted))
    [features] = found.source_features
    assert list(features.ids) == ids
    assert len(features.activations) == len(ids)
    assert features.l0 == 3, "all that are active count"


async def test_sources_are_counted_as_the_request_names_them() -> None:
    wanted = Features(sources=(2, 0), top_k=1)
    [found] = await sent(token(0, 3, wanted, sources=3))
    assert [(f.source, list(f.activations)) for f in found.source_features] == [
        (0, [900.0]),
        (1, [9.0]),
    ]


async def test_no_features_are_read_for_a_request_that_wants_none() -> None:
    [found] = await sent(token(0, 3, Features(sources=(0, 7), top_k=0)))
    assert not found.source_features
