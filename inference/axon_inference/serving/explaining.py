"""Explain: from its request to a query, every bad field named, and from events to messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.effects import (
    Effect,
    Effects,
    Explained,
    Explaining,
    Path,
    Query,
    Removal,
)
from axon_inference.engine.events import Event, Failed
from axon_inference.engine.requests import MAX_REMOVALS, Served
from axon_inference.engine.step import Alternative
from axon_inference.engine.text import Decoder, Detokenizer
from axon_inference.serving.branches import edits_of
from axon_inference.serving.fields import InvalidRequest, Violation, check, listed, quoted
from axon_inference.serving.validation import prompt_ids, sources

_DEFAULT_REMOVALS = 64


def resolve_explain(
    message: pb.ExplainRequest, served: Served, model: pb.GetModelResponse
) -> Query:
    """Check a message and fill in what it leaves open. `model` describes the sources.

    Raises:
        InvalidRequest: with one violation for every bad field.
    """
    wrong: list[Violation] = []
    ids = _tokens(message, served, wrong)
    position = message.position if message.HasField("position") else len(ids)
    if ids:
        check(wrong, "position", position, 1, len(ids))
    target = _choice(message.target, "target", served, wrong)
    if target is None and position < len(ids):
        target = ids[position]
    rival = _choice(message.rival, "rival", served, wrong)
    if rival is not None and rival == target:
        wrong.append(Violation("rival", "is the target itself; it needs another token"))
    chosen, limit = options(
        message.options, "options", range(len(served.sources)), served, model, wrong
    )
    in_force = edits_of(message.edits, model.sources, "edits", wrong)
    path, path_source = _path(message, position, served, model, wrong)
    prompt_length = message.prompt_tokens if message.HasField("prompt_tokens") else len(ids)
    if ids:
        check(wrong, "prompt_tokens", prompt_length, 0, len(ids))
    if wrong:
        raise InvalidRequest(wrong)
    return Query(
        token_ids=tuple(ids[:position]),
        target=target,
        rival=rival,
        sources=chosen,
        limit=limit,
        edits=in_force,
        prompt_length=prompt_length,
        has_bos=served.bos_id is not None and ids[0] == served.bos_id,
        path=path,
        path_source=path_source,
    )


def options(
    asked: pb.ExplainOptions,
    field: str,
    among: Sequence[int],
    served: Served,
    model: pb.GetModelResponse,
    wrong: list[Violation],
) -> tuple[tuple[int, ...], int]:
    """The sources with candidates, `among` these by default, and the most removals."""
    limit = asked.limit if asked.HasField("limit") else _DEFAULT_REMOVALS
    check(wrong, f"{field}.limit", limit, 1, MAX_REMOVALS)
    path = f"{field}.sources"
    names = sources(asked.sources, [served.sources[n] for n in among], path, wrong)
    indices = [served.sources.index(name) for name in names]
    editable = [n for n in indices if not model.sources[n].not_editable]
    if asked.sources and len(editable) < len(indices):
        bad = next(n for n in indices if n not in editable)
        why = f"{served.sources[bad]} cannot be edited: {model.sources[bad].not_editable}"
        wrong.append(Violation(path, why, "NOT_EDITABLE"))
    return tuple(editable), limit


def _tokens(message: pb.ExplainRequest, served: Served, wrong: list[Violation]) -> list[int]:
    if not message.token_ids:
        return prompt_ids(message.prompt, served, wrong)
    ids = list(message.token_ids)
    if message.prompt:
        wrong.append(Violation("token_ids", "is set, and prompt too; set one of them"))
    elif len(ids) > served.context_length:
        why = f"has {len(ids)} tokens; the model reads at most {served.context_length}"
        wrong.append(Violation("token_ids", why, "PROMPT_TOO_LONG"))
    elif (largest := max(ids)) >= served.vocab_size:
        why = f"has {largest}; the model knows tokens below {served.vocab_size}"
        wrong.append(Violation("token_ids", why, "UNKNOWN_TOKEN"))
    else:
        return ids
    return []


def _choice(
    choice: pb.TokenChoice, field: str, served: Served, wrong: list[Violation]
) -> int | None:
    kind = choice.WhichOneof("choice")
    if kind is None:
        return None
    if kind == "token_id":
        check(wrong, f"{field}.token_id", choice.token_id, 0, served.vocab_size - 1)
        return choice.token_id
    found = _one_token(choice.text, served)
    if found is None or found >= served.vocab_size:
        n = len(choice.text)
        why = f"{quoted(choice.text)} is not exactly one token; mind its leading space"
        wrong.append(Violation(f"{field}.text", why if n else "is empty", "NOT_ONE_TOKEN"))
        return None
    return found


def _one_token(text: str, served: Served) -> int | None:
    """The token that stands for `text` within a text, or at the start of one.

    Some tokenizers mark a word's beginning also where a text begins, and lose the space there.
    """
    if not text or len(text) > served.max_prompt_characters:
        return None
    try:
        alone, before, both = (served.encode(some) for some in (text, "a", "a" + text))
    except Exception:  # tokenizers raise what they like
        return None
    if both[:-1] == before:
        return both[-1]
    return alone[0] if len(alone) == 1 else None


def _path(
    message: pb.ExplainRequest,
    position: int,
    served: Served,
    model: pb.GetModelResponse,
    wrong: list[Violation],
) -> tuple[Removal | None, int]:
    if not message.HasField("path"):
        return None, 0
    asked = message.path
    if asked.source not in served.sources:
        why = f"there is no source {quoted(asked.source)}; there are {listed(served.sources)}"
        wrong.append(Violation("path.source", why, "UNKNOWN_SOURCE"))
        return None, 0
    source = served.sources.index(asked.source)
    about = model.sources[source]
    above = served.above[source]
    if about.not_editable:
        why = f"{asked.source} cannot be edited: {about.not_editable}"
        wrong.append(Violation("path.source", why, "NOT_EDITABLE"))
    elif above is None:
        wrong.append(Violation("path.source", f"no source reads further on than {asked.source}"))
    check(wrong, "path.feature", asked.feature, 0, about.width - 1)
    if asked.HasField("position"):
        check(wrong, "path.position", asked.position, 0, max(0, position - 1))
    where = asked.position if asked.HasField("position") else None
    return Removal(source, asked.feature, where), above or 0


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
