"""A request on its way through the engine."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from axon_inference.engine.events import Place, Reason, Timings, Token
from axon_inference.engine.requests import Features, Request
from axon_inference.engine.step import Feed, StepResult
from axon_inference.engine.text import Detokenizer

_NO_FEATURES = Features(top_k=0)


@dataclass(eq=False, slots=True)
class Sequence:
    """What is known of a request so far.

    `token_ids` is the prompt and what was generated; `fed` of them have keys and values in the
    cache, and features. The last generated token is known one step before it is fed.
    """

    id: int
    request: Request
    detokenizer: Detokenizer
    token_ids: list[int]
    arrived_ns: int = 0
    slot: int = -1  # below 0 while it waits
    fed: int = 0
    drawn: Place | None = None  # where the last token was drawn, if it was
    text: str = ""  # what was generated, if a stop string may end it
    prompt_tokens: list[Token] = field(default_factory=list)  # until all of them are read
    timings: Timings = field(default_factory=Timings)
    stage_began_ns: int = 0
    told_position: int = -1
    #: Tokens of the prompt, a prepended BOS included.
    prompt_length: int = field(init=False)

    def __post_init__(self) -> None:
        self.prompt_length = len(self.request.prompt_ids)

    @property
    def generated(self) -> int:
        """Tokens generated, the one not fed yet included."""
        return len(self.token_ids) - self.prompt_length

    @property
    def in_prefill(self) -> bool:
        """Whether some of the prompt is still to be fed."""
        return self.fed < self.prompt_length

    def feed(self, count: int) -> Feed:
        """The next `count` tokens to run through the model."""
        request, start, end = self.request, self.fed, self.fed + count
        drawn = self.generated
        wants_next = end == len(self.token_ids) and drawn < request.max_tokens
        return Feed(
            slot=self.slot,
            ids=self.token_ids[start:end],
            start=start,
            sampling=request.sampling,
            features=request.features,
            draws=drawn if wants_next else None,
        )

    def advance(
        self, fed: Feed, step: StepResult, number: int, eos_ids: Container[int]
    ) -> tuple[list[Token], Reason | None]:
        """Move on by what a step found for this feed, its `number`th: the tokens that can be shown
        now, and why the sequence ends with them, if it does.

        A prompt's tokens can be shown when all of them were fed.
        """
        self.timings.add(step.times)
        in_prefill, row = self.in_prefill, step.offsets[number]
        self.fed += len(fed.ids)
        tokens = [
            self._token(position, Place(step, row + position - fed.start))
            for position in range(fed.start, self.fed)
        ]
        if in_prefill:
            self.prompt_tokens += tokens
            if self.in_prefill:
                return [], None
            tokens, self.prompt_tokens = self.prompt_tokens, []
        ending = self._ending(tokens[-1], step.next_ids[number], eos_ids)
        if ending is None:
            self.token_ids.append(step.next_ids[number])
            self.drawn = Place(step, number)
        elif rest := self.detokenizer.flush():  # held back of the last character
            tokens[-1] = tokens[-1]._replace(text=tokens[-1].text + rest)
        return tokens, ending

    def _token(self, position: int, fed: Place) -> Token:
        token_id, request = self.token_ids[position], self.request
        text = self.detokenizer.push(token_id)
        if position == self.prompt_length - 1:
            text += self.detokenizer.flush()  # a prompt is whole characters
        wanted = request.features
        if position == 0 and request.has_bos and not wanted.include_bos:
            wanted = _NO_FEATURES
        return Token(position, token_id, text, self.drawn, fed, wanted)

    def _ending(self, last: Token, next_id: int, eos_ids: Container[int]) -> Reason | None:
        if last.drawn and self._completes_stop(last.text):
            return Reason.STOP
        if self.generated >= self.request.max_tokens:
            return Reason.LENGTH
        return Reason.STOP if next_id in eos_ids else None

    def _completes_stop(self, new: str) -> bool:
        """Whether `new`, at the end of the generated text, completes a stop string."""
        stops = self.request.sampling.stop
        if not stops or not new:
            return False
        self.text += new
        return any(stop in self.text[-(len(new) + len(stop) - 1) :] for stop in stops)
