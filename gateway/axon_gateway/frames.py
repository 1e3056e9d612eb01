"""The frames that clients receive: built once as dictionaries, encoded once as JSON.

Every frame has `type`, `seq` and `time`; `encode` fills in the last two.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
from axon import edits, messages
from axon.edits import Edit
from axon.v1 import inference_pb2 as pb

from axon_gateway import metrics
from axon_gateway.errors import Refusal

#: Typed words of a tally, the most frequent ones.
_MOST_WORDS = 16

Frame = dict[str, Any]
#: Takes each frame in turn; may make the generation wait (a slow HTTP client does).
Emit = Callable[[Frame], Awaitable[None]]
#: The label of a feature (source, index) as far as it is known without waiting.
LabelOf = Callable[[str, int], str | None]
#: What else is known of a feature (source, index) that a page needs to show it, in the same way:
#: those of `FACTS` that are known.
FactsOf = Callable[[str, int], dict[str, float]]
#: `max`, the largest activation that the label's origin has seen; `score`, how well the label
#: predicts where the feature fires, 1 at best; `density`, the share of tokens at which it fires.
FACTS = ("max", "score", "density")


def encode(frame: Frame, seq: int) -> bytes:
    """The frame as JSON text, numbered `seq` and with the time in seconds since 1970."""
    frame["seq"] = seq
    frame["time"] = round(time.time(), 3)
    return orjson.dumps(frame)


def encode_batch(frames: Sequence[bytes], last: int) -> bytes:
    """One frame that holds several encoded ones, of which the newest is numbered `last`."""
    return b'{"type":"batch","seq":%d,"frames":[%b]}' % (last, b",".join(frames))


class Shown:
    """A frame for all viewers that is no part of the log. It is encoded once for all who have read
    equally far."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._seq = -1
        self._encoded = b""

    def encoded(self, seq: int) -> bytes:
        """The frame as JSON text, numbered `seq`."""
        if seq != self._seq:
            self._seq, self._encoded = seq, encode(self._frame, seq)
        return self._encoded


def on_the_wire(message: bytes) -> bytes:
    """A message as one unmasked, uncompressed WebSocket text frame (RFC 6455, 5.2)."""
    length = len(message)
    if length < 126:
        return b"\x81%c%b" % (length, message)
    if length < 65536:
        return b"\x81\x7e%b%b" % (struct.pack("!H", length), message)
    return b"\x81\x7f%b%b" % (struct.pack("!Q", length), message)


def _frame(type_: str, **content: Any) -> Frame:
    return {"type": type_, "seq": 0, **content}


def room(
    id_: str,
    role: str,
    viewers: int,
    *,
    presenting: bool,
    is_open: bool,
    published: bool,
    epoch: int,
    presenter_token: str | None,
) -> Frame:
    """Where the client is and what it may do; `presenter_token` proves that it opened the room.

    `presenting` says whether a presenter is there now, `published` whether others can come in, and
    `epoch`, with a frame's `seq`, names a position in the log.
    """
    content = {"viewers": viewers, "presenting": presenting, "open": is_open}
    frame = _frame("room", room=id_, role=role, **content, published=published, epoch=epoch)
    if presenter_token is not None:
        frame["presenter_token"] = presenter_token
    return frame


def view(
    pose: Sequence[float],
    feature: str | None,
    token: int | None,
    *,
    filters: Sequence[str] | None,
    sources: Sequence[str] | None,
) -> Frame:
    """Where the presenter looks, and through which filters. No part of the log: only the newest
    counts. A page that does not tell its filters and sources leaves them out."""
    shown = {"filters": filters, "sources": sources} if filters is not None else {}
    return _frame("view", pose=list(pose), feature=feature, token=token, **shown)


def question(asked: Frame | None) -> Frame:
    """What the presenter asks the hall; None: nothing any more."""
    return _frame("question", question=asked)


def tally(id_: str, options: list[int], words: list[tuple[str, int]], votes: int) -> Frame:
    """The votes on a question so far: by option, by typed word (the most frequent), and of all."""
    return _frame("tally", question=id_, **_votes(options, words, votes))


def outcome(
    asked: Frame,
    options: list[int],
    words: list[tuple[str, int]],
    votes: int,
    *,
    answer: str | None,
) -> Frame:
    """How the vote on a question has ended. Part of the log."""
    return _frame("outcome", question=asked, **_votes(options, words, votes), answer=answer)


def _votes(options: list[int], words: list[tuple[str, int]], votes: int) -> Frame:
    top = [{"word": word, "votes": count} for word, count in words[:_MOST_WORDS]]
    return {"options": options, "words": top, "votes": votes}


def line(places: Iterable[tuple[str, str]], mine: str | None) -> Frame:
    """Who waits to generate, by place and name, the next one first; `mine` is the client's."""
    return _frame("line", places=[{"id": id_, "name": name} for id_, name in places], mine=mine)


def pong() -> Frame:
    """The answer to a ping."""
    return _frame("pong")


def queued(event: pb.Queued) -> Frame:
    """The request waits; `position` requests are ahead of it."""
    return _frame("queued", position=event.position)


def started(event: pb.Started, prompt: str, conversation: Sequence[pb.ChatMessage] = ()) -> Frame:
    """The request runs; every knob has its final value.

    For a conversation, `prompt` is what is answered: the user's last message.
    """
    said = [{"role": one.role, "content": one.content} for one in conversation]
    asked = [one["content"] for one in said if one["role"] == "user"] or [prompt]
    params = asdict(messages.params(event.max_tokens, event.sampling, event.features))
    del params["include_bos"]
    # A string, since a JavaScript number cannot hold 64 bits.
    params["seed"] = str(params["seed"])
    return _frame(
        "started",
        model=event.model,
        sources=list(event.sources),
        params=params,
        prompt=asked[-1],
        **({"messages": said} if said else {}),
        prompt_tokens=event.prompt_tokens,
        branches=[_branch(branch) for branch in event.branches],
        pace=messages.shortest(event.pace),
        # Not its `generation`, with which whoever reads this could edit.
        alternatives=event.alternatives if event.HasField("alternatives") else None,
    )


def _branch(message: pb.Branch) -> dict[str, Any]:
    branch = messages.branch(message)
    seed = None if branch.seed is None else str(branch.seed)
    return {"name": branch.name, "edits": _edits(branch.edits), "seed": seed}


def _edits(changes: Iterable[Edit]) -> list[dict[str, Any]]:
    """Edits, as clients may send them again."""
    return [edits.written(change) for change in changes]


def edited(event: pb.Edited) -> Frame:
    """A branch has other edits from `position` on."""
    told = messages.edited(event)
    return _frame("edited", branch=told.branch, position=told.position, edits=_edits(told.edits))


def branch_ended(event: pb.BranchEnded) -> Frame:
    """One of several branches ended; the others go on."""
    return _frame("branch_ended", **asdict(messages.branch_ended(event)))


def finished(event: pb.Finished) -> Frame:
    """The generation ended well."""
    reason = messages.reason(event.reason)
    return _frame(
        "finished",
        status="stopped" if reason == "cancelled" else "done",
        reason=reason,
        prompt_tokens=event.prompt_tokens,
        generated_tokens=event.generated_tokens,
        timings=asdict(messages.timings(event.timings)),
    )


def stopped(prompt_tokens: int, generated_tokens: int) -> Frame:
    """The gateway stopped the generation, so the service's timings are missing."""
    return _frame(
        "finished",
        status="stopped",
        reason="cancelled",
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        timings=None,
    )


def error(refusal: Refusal) -> Frame:
    """Something was refused or broke off."""
    metrics.ERRORS.labels(refusal.code).inc()
    return _frame("error", **refusal.body())


def labels(source: str, found: dict[int, str], facts_of: FactsOf) -> Frame:
    """Labels that were not known when their features were sent, and what is known with them."""
    facts = {str(id_): facts_of(source, id_) for id_ in found}
    return _frame(
        "labels",
        source=source,
        labels={str(id_): text for id_, text in found.items()},
        **{
            name: {id_: known[name] for id_, known in facts.items() if name in known}
            for name in FACTS
        },
    )


class TokenFrames:
    """Builds the frames of one generation's tokens.

    `sources` is the order that SourceFeatures.source counts, `layers` the layer of each. The frames
    name their branch if there are several `branches`.
    """

    def __init__(
        self,
        sources: Sequence[str],
        layers: dict[str, int],
        label_of: LabelOf,
        facts_of: FactsOf,
        branches: int = 1,
    ) -> None:
        self._sources = [(source, layers[source]) for source in sources]
        self._label_of = label_of
        self._facts_of = facts_of
        #: By source: the labels that were known, since most features come again; and the features
        #: whose facts were sent. They do not change, so once is enough.
        self._labels: list[dict[int, str]] = [{} for _ in sources]
        self._told: list[set[int]] = [set() for _ in sources]
        #: Of each branch.
        self._steps = [0] * branches

    @property
    def steps(self) -> int:
        """Generated tokens so far, of all branches."""
        return sum(self._steps)

    def prompt(self, tokens: Sequence[pb.Token]) -> Frame:
        """All of a branch's prompt in one frame."""
        return _frame(
            "prompt",
            **self._branch(tokens[0]),
            tokens=[
                {
                    "token": token.text,
                    "position": token.position,
                    **({"logprob": digits(token.logprob)} if token.HasField("logprob") else {}),
                    **self._details(token),
                    "features": self._features(token),
                }
                for token in tokens
            ],
        )

    def token(self, token: pb.Token) -> Frame:
        """One generated token; each call counts a step of its branch."""
        frame = _frame(
            "token",
            **self._branch(token),
            token=token.text,
            step=self._steps[token.branch],
            position=token.position,
            logprob=digits(token.logprob) if token.HasField("logprob") else None,
            **self._details(token),
            features=self._features(token),
        )
        self._steps[token.branch] += 1
        return frame

    def _branch(self, token: pb.Token) -> Frame:
        return {"branch": token.branch} if len(self._steps) > 1 else {}

    def _details(self, token: pb.Token) -> Frame:
        """The tokenizer's id; by source, how many features are active at the token (L0), sent or
        not, and the share of the activation vector that the SAE misses; the likeliest next tokens,
        if they were asked for; and whose text it is, in a conversation."""
        found = [(self._sources[one.source][0], one) for one in token.source_features]
        return {
            "token_id": token.token_id,
            "l0": {source: one.l0 for source, one in found},
            "reconstruction_error": {
                source: round(one.reconstruction_error, 4)
                for source, one in found
                if math.isfinite(one.reconstruction_error)
            },
            **(
                {"alternatives": [alternative(one) for one in token.alternatives]}
                if token.alternatives
                else {}
            ),
            **({"template": True} if token.template else {}),
            **({"role": token.role} if token.role else {}),
        }

    def _features(self, token: pb.Token) -> list[Frame]:
        features: list[Frame] = []
        for found in token.source_features:
            source, layer = self._sources[found.source]
            labels, told = self._labels[found.source], self._told[found.source]
            pairs: Iterable[tuple[int, float]]
            pairs = zip(found.ids[:], found.activations[:], strict=True)
            edited, first = found.edited, len(features)
            if edited:
                silent = [one for one in edited if one.feature not in found.ids]
                pairs = [*pairs, *((one.feature, one.after) for one in silent)]
            for id_, activation in pairs:
                feature: Frame = {"id": id_}
                if (label := labels.get(id_)) is None:
                    label = self._label_of(source, id_)
                if label is not None:
                    feature["label"] = labels[id_] = label
                feature["activation"] = digits(activation)
                feature["layer"] = layer
                feature["source"] = source
                if id_ not in told and (facts := self._facts_of(source, id_)):
                    feature |= facts
                    told.add(id_)
                features.append(feature)
            if edited:
                before = {one.feature: one.before for one in edited}
                for feature in features[first:]:
                    if feature["id"] in before:
                        feature |= {"edited": True, "before": digits(before[feature["id"]])}
        return features


def alternative(one: pb.Alternative) -> dict[str, Any]:
    """A token and its log-probability."""
    return {"token": one.text, "token_id": one.token_id, "logprob": digits(one.logprob)}


def digits(value: float) -> float:
    """`value` with the nine digits that identify a 32-bit number; as a double it would take 17."""
    return float(f"{value:.9g}")
