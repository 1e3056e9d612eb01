"""Event streams, and the gRPC messages made from events."""

from __future__ import annotations

import asyncio

import numpy as np
from axon_inference.engine.requests import (
    Finished,
    Reason,
    Request,
    Served,
    SourceFeatures,
    Started,
    Token,
    Tokens,
)
from axon_inference.serving import messages
from axon_inference.serving.server import EventStream, Listeners

SERVED = Served("m", ("m/0-res",), 64, 100, None, lambda text: [1])
REQUEST = Request((1,), 5)


def token(position: int, features: int = 0) -> Token:
    found = SourceFeatures(
        0,
        np.arange(features),
        np.linspace(9, 1, features, dtype=np.float32),
        features,
        0.1,
    )
    return Token(position, 7, "x", -1.0, (found,))


async def test_unread_tokens_are_joined_into_one_event() -> None:
    stream = EventStream()
    end = Finished(Reason.LENGTH, 1, 3)
    for event in (Started(), Tokens((token(0),)), Tokens((token(1), token(2))), end):
        stream.put(event)
    assert isinstance(await stream.next(), Started)
    tokens = await stream.next()
    assert isinstance(tokens, Tokens)
    assert [t.position for t in tokens.tokens] == [0, 1, 2]
    assert await stream.next() is end


async def test_a_slow_reader_does_not_make_new_tokens_more_expensive() -> None:
    """Copying all unread tokens for each new one would take minutes here."""
    stream, count = EventStream(), 300_000
    event = Tokens((token(0),))
    for _ in range(count):
        stream.put(event)
    tokens = await stream.next()
    assert isinstance(tokens, Tokens)
    assert len(tokens.tokens) == count


async def test_a_reader_waits_for_events_of_the_engines_thread() -> None:
    listeners = Listeners(asyncio.get_running_loop())
    stream = listeners.open(3)
    waiting = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    await asyncio.to_thread(listeners.publish, [(2, Started()), (3, Started())])
    assert isinstance(await asyncio.wait_for(waiting, 1), Started)


def test_many_tokens_are_split_into_messages_of_limited_size() -> None:
    event = Tokens(tuple(token(position, features=50) for position in range(100)))
    whole = list(messages.from_event(event, REQUEST, SERVED, 2 << 20))
    assert len(whole) == 1
    parts = list(messages.from_event(event, REQUEST, SERVED, 4000))
    assert len(parts) > 5
    assert all(part.ByteSize() <= 4400 for part in parts)
    positions = [t.position for part in parts for t in part.tokens.tokens]
    assert positions == list(range(100))


def test_features_are_packed_with_their_activations() -> None:
    [message] = messages.from_event(Tokens((token(4, features=3),)), REQUEST, SERVED, 1000)
    [sent] = message.tokens.tokens
    [found] = sent.source_features
    assert (sent.position, sent.text, sent.logprob) == (4, "x", -1.0)
    assert list(found.ids) == [0, 1, 2]
    assert list(found.activations) == [9.0, 5.0, 1.0]
    assert found.l0 == 3
