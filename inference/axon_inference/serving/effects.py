"""The events of explanations as axon.v1 messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.effects import Effect, Effects, Explained, Explaining, Path, Query
from axon_inference.engine.events import Event, Failed
from axon_inference.engine.requests import Served
from axon_inference.engine.step import Alternative
from axon_inference.engine.text import Decoder, Detokenizer


class ExplainStream:
    """The messages of one explanation, in order."""

    def __init__(self, query: Query, served: Served, decode: Decoder) -> None:
        self._query, self._served, self._decode = query, served, decode
        self._messages: deque[pb.ExplainResponse | Failed] = deque()
        self._ready = asyncio.Event()

    def put(self, event: Event) -> None:
        """Make an event's message."""
        self._messages.append(event if isinstance(event, Failed) else self._message(event))
        self._ready.set()

    async def next(self) -> pb.ExplainResponse | Failed:
        """The next message, or why there will be no more, once there is one."""
        while not self._messages:
            self._ready.clear()
            await self._ready.wait()
        return self._messages.popleft()

    def _message(self, event: Event) -> pb.ExplainResponse:
        match event:
            case Explaining():
                return pb.ExplainResponse(started=self._started(event))
            case Effects(found):
                told = pb.Effects(effects=effects(found, self._query.sources))
                return pb.ExplainResponse(effects=told)
            case Path():
                return pb.ExplainResponse(path=self._path(event))
            case Explained():
                return pb.ExplainResponse(summary=summary(event, self._query.sources))
        raise TypeError(f"{type(event).__name__} is not an event of an explanation")

    def _started(self, event: Explaining) -> pb.ExplainStarted:
        query = self._query
        detokenizer = Detokenizer(self._decode)
        tokens = []
        for position, token_id in enumerate(query.token_ids):
            text = detokenizer.push(token_id)
            if position == len(query.token_ids) - 1:
                text += detokenizer.flush()
            origin = (
                pb.TOKEN_ORIGIN_PROMPT
                if position < query.prompt_length
                else pb.TOKEN_ORIGIN_GENERATED
            )
            tokens.append(pb.Token(position=position, token_id=token_id, text=text, origin=origin))
        return pb.ExplainStarted(
            model=self._served.model,
            sources=[self._served.sources[source] for source in query.sources],
            tokens=tokens,
            position=len(query.token_ids),
            target=alternative(event.target, self._served),
            rival=alternative(event.rival, self._served),
            logit=event.target.logprob - event.rival.logprob,
            active=event.active,
            tried=event.tried,
        )

    def _path(self, event: Path) -> pb.Path:
        source, feature, position = event.removal
        path = pb.Path(
            removal=pb.Removal(
                source=self._served.sources[source], feature=feature, position=position
            ),
            source=self._served.sources[event.source],
        )
        for one in event.effects:
            path.effects.add(
                position=one.position, feature=one.feature, before=one.before, after=one.after
            )
        return path


def alternative(token: Alternative, served: Served) -> pb.Alternative:
    """A token with its text."""
    text = served.text(token.token_id)
    return pb.Alternative(token_id=token.token_id, text=text, logprob=token.logprob)


def effects(found: Sequence[Effect], among: Sequence[int]) -> list[pb.Effect]:
    """Effects of removals; `among` is the order in which their sources are counted."""
    return [
        pb.Effect(
            position=one.removal.position,
            source=among.index(one.removal.source),
            feature=one.removal.feature,
            activation=one.activation,
            logprob=one.logprob,
            logit=one.logit,
        )
        for one in found
    ]


def summary(event: Explained, among: Sequence[int]) -> pb.ExplainSummary:
    """The end of an explanation; `among` as for `effects`."""
    told = pb.ExplainSummary(
        active=event.active,
        tried=event.tried,
        effects=effects(event.effects, among),
        elapsed_ns=event.elapsed_ns,
    )
    if event.agreement:
        told.agreement.pearson, told.agreement.top_5 = event.agreement
    return told
