"""Tells the frames of a request's generations in OpenAI's form, whole or in chunks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson

from axon_gateway.errors import Refusal
from axon_gateway.frames import Emit, Frame
from axon_gateway.openai import answers
from axon_gateway.openai.answers import Answer, Json
from axon_gateway.openai.choices import Choice, Said
from axon_gateway.openai.requests import Asked

#: A choice, and what it says anew.
Part = tuple[Choice, list[Said]]


class _Told:
    """What a request's generations say; a subclass hands it on in `take`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._answer = Answer(asked.chat, "", asked.logprobs)
        stop = asked.stop
        self._choices = [Choice(index, stop) for index in range(asked.choices)]
        self._prompt_tokens = self._generated_tokens = 0

    @property
    def usage(self) -> Json:
        """Tokens so far."""
        return answers.usage(self._prompt_tokens, self._generated_tokens)

    def reader(self, number: int) -> Emit:
        """Takes the frames of the prompt of this number."""
        command = self._asked.commands[number]
        first = sum(one.branches for one in self._asked.commands[:number])
        choices = self._choices[first : first + command.branches]

        async def read(frame: Frame) -> None:
            await self.take(frame, choices, list(self._parts(frame, choices, command.text)))

        return read

    async def take(self, frame: Frame, choices: list[Choice], parts: list[Part]) -> None:
        """A frame, the choices of its generation, and what of the text it adds to which."""
        raise NotImplementedError

    def _parts(self, frame: Frame, choices: list[Choice], prompt: str) -> Iterator[Part]:
        choice = choices[frame.get("branch", 0)]
        match frame["type"]:
            case "started":
                self._answer.model = frame["model"]
                self._prompt_tokens += frame["prompt_tokens"]
            case "prompt":
                said = choice.prompt(frame, prompt)
                if self._asked.echo:
                    yield choice, said
            case "token":
                yield choice, choice.token(frame)
            case "branch_ended":
                yield choice, self._end(choice, frame)
            case "finished":
                self._generated_tokens += frame["generated_tokens"]
                for one in choices:
                    if one.finish is None:
                        yield one, self._end(one, frame)
            case "error":
                refusal = Refusal.of(frame)
                refusal.counted = True
                raise refusal

    def _end(self, choice: Choice, frame: Frame) -> list[Said]:
        said = choice.end(_finish(frame))
        # Evaluations count on a token after the prompt's, also if the model ends at once.
        wanted = self._asked.logprobs is not None and not self._asked.chat
        return said + choice.end_token() if wanted else said


def _finish(frame: Frame) -> str:
    if (reason := str(frame["reason"])) == "cancelled":
        raise Refusal("backend_lost", "inference ended this generation before its end")
    return reason


class Collected(_Told):
    """The whole answer."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._said: list[list[Said]] = [[] for _ in self._choices]
        self._axon: list[Json] = [
            {"prompt": [], "tokens": [], "effects": []} for _ in self._choices
        ]
        self._labels: list[Frame] = []

    async def take(self, frame: Frame, choices: list[Choice], parts: list[Part]) -> None:
        """Keeps what it says."""
        for choice, said in parts:
            self._said[choice.index] += said
        if self._asked.axon:
            self._keep(frame, choices)

    def _keep(self, frame: Frame, choices: list[Choice]) -> None:
        told = self._axon[choices[frame.get("branch", 0)].index]
        match frame["type"]:
            case "started":
                common = {name: frame[name] for name in ("sources", "params")}
                for choice, branch in zip(choices, frame["branches"], strict=False):
                    self._axon[choice.index] |= {**common, "branch": branch}
            case "prompt":
                told["prompt"] = frame["tokens"]
            case "token":
                told["tokens"].append(_content(frame, "step"))
            case "effects":
                told["effects"].append(_content(frame))
            case "labels":
                self._labels.append(frame)
            case "finished":
                for choice in choices:
                    self._axon[choice.index]["timings"] = frame["timings"]

    def body(self) -> bytes:
        """The answer as JSON."""
        self._name_features()
        choices = []
        for choice, said, axon in zip(self._choices, self._said, self._axon, strict=True):
            told = self._answer.choice(choice.index, said, choice.finish)
            choices.append({**told, "axon": axon} if self._asked.axon else told)
        return orjson.dumps(self._answer.whole(choices, self.usage))

    def _name_features(self) -> None:
        """Adds the labels that came after their features."""
        late: dict[tuple[str, str], Json] = {}
        for frame in self._labels:
            for id_, label in frame["labels"].items():
                maximum = {"max": frame["max"][id_]} if id_ in frame["max"] else {}
                late[frame["source"], id_] = {"label": label, **maximum}
        for axon in self._axon:
            for token in (*axon["prompt"], *axon["tokens"]):
                for feature in token["features"]:
                    feature |= late.get((feature["source"], str(feature["id"])), {})
            for one in (one for told in axon["effects"] for one in told.get("effects", ())):
                if found := late.get((one["source"], str(one["feature"]))):
                    one["label"] = found["label"]


class Streamed(_Told):
    """The answer in chunks, each sent as soon as there is something to say."""

    def __init__(self, asked: Asked, write: Callable[[bytes], Awaitable[None]]) -> None:
        super().__init__(asked)
        self._write = write
        self._offsets = [0] * len(self._choices)
        # Chunks but the last have it too, as null.
        self._usage: dict[str, Any] = {"usage": None} if asked.include_usage else {}

    async def take(self, frame: Frame, choices: list[Choice], parts: list[Part]) -> None:
        """Sends what it says."""
        told = [
            self._part(choice, said)
            for choice, said in parts
            if said or choice.finish or self._asked.axon
        ]
        if frame["type"] == "started" and self._asked.chat:
            told = [self._answer.opening(choice.index) for choice in choices]
        more = {}
        if self._asked.axon and frame["type"] != "queued":
            more["axon"] = _content(frame, kind=frame["type"])
        if more and not told:
            await self._send([], **more)
        for number, one in enumerate(told):
            await self._send([one], **({} if number else more))

    async def close(self) -> None:
        """Ends the stream."""
        if self._asked.include_usage:
            await self._write(self._answer.chunk([], usage=self.usage))
        await self._write(answers.DONE)

    def _part(self, choice: Choice, said: list[Said]) -> Json:
        offset = self._offsets[choice.index]
        self._offsets[choice.index] += sum(len(one.text) for one in said)
        return self._answer.part(choice.index, said, offset, choice.finish)

    async def _send(self, choices: list[Json], **more: Any) -> None:
        await self._write(self._answer.chunk(choices, **self._usage, **more))


def _content(frame: Frame, *without: str, kind: str | None = None) -> Json:
    """What a frame says, with its `type` if it is given."""
    content = {
        name: value for name, value in frame.items() if name not in ("type", "seq", *without)
    }
    return content if kind is None else {"type": kind, **content}
