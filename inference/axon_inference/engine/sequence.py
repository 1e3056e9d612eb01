"""A request on its way through the engine: one sequence for each of its branches."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from itertools import pairwise

from axon_inference.engine.effects import Query
from axon_inference.engine.events import Place, Reason, Timings, Token
from axon_inference.engine.requests import Edit, Features, Request, Sampling
from axon_inference.engine.step import Feed, StepResult
from axon_inference.engine.text import Decoder, Detokenizer

_NO_FEATURES = Features(top_k=0)


@dataclass(eq=False, slots=True)
class Generation:
    """What is known of a request so far, beyond what each branch knows of itself."""

    id: int
    request: Request
    decode: Decoder
    arrived_ns: int = 0
    told_position: int = -1
    timings: Timings = field(default_factory=Timings)
    stage_began_ns: int = 0
    in_prefill: bool = True  # until all branches have read the prompt: they begin together
    due_ns: int = 0  # none decodes before that
    branches: list[Sequence] = field(init=False)

    def __post_init__(self) -> None:
        """Branches whose edits leave the prompt alone have the first of them read it for all."""
        count = len(self.request.branches)
        self.branches = [Sequence(self, number) for number in range(count)]
        alike = [sequence for sequence in self.branches if not sequence.touches_prompt]
        for one in alike[1:] if len(self.request.prompt_ids) > 1 else ():
            one.leader = alike[0]

    @property
    def in_queue(self) -> bool:
        """Whether it waits for its slots."""
        first = self.branches[0]
        return first.slot < 0 and not first.ended

    @property
    def running(self) -> list[Sequence]:
        """The branches that have not ended."""
        return [sequence for sequence in self.branches if not sequence.ended]

    @property
    def generated_tokens(self) -> int:
        """Tokens generated and shown, of all branches."""
        return sum(sequence.generated_tokens for sequence in self.branches)

    def pace(self, now: int) -> None:
        """Its branches decode at `now` (ns): says when they may again.

        That is at the next tick of a clock which is the same for all of this pace. So they share
        steps, and many of them cost little more than one.
        """
        if self.request.pace:
            interval = round(1e9 / self.request.pace)
            self.due_ns = (now // interval + 1) * interval


@dataclass(eq=False, slots=True)
class Sequence:
    """One branch so far.

    `token_ids` is the prompt and what was generated; `fed` of them have keys and values in the
    cache, and features. The last generated token is known one step before it is fed.
    """

    generation: Generation
    branch: int
    request: Request = field(init=False)
    #: Tokens of the prompt, a prepended BOS included.
    prompt_length: int = field(init=False)
    edits: tuple[Edit, ...] = field(init=False)
    #: The edits there were, each with the position from which they have been in force.
    edited: list[tuple[int, tuple[Edit, ...]]] = field(init=False)
    sampling: Sampling = field(init=False)
    detokenizer: Detokenizer = field(init=False)
    token_ids: list[int] = field(init=False)
    slot: int = -1  # below 0 while it waits, and when it has ended
    fed: int = 0
    ended: bool = False
    logprob: float | None = None  # of the token to be fed next
    text: str = ""  # what was generated, if a stop string may end it
    prompt_tokens: list[Token] = field(default_factory=list)  # until all of them are read
    #: The branch that reads the prompt for this one too, all but its last token.
    leader: Sequence | None = None

    def __post_init__(self) -> None:
        self.request = request = self.generation.request
        self.prompt_length = len(request.prompt_ids)
        branch = request.branches[self.branch]
        self.edited = []
        self.edit(0, branch.edits)
        self.sampling = request.sampling
        if branch.seed is not None:
            self.sampling = replace(request.sampling, seed=branch.seed)
        self.detokenizer = Detokenizer(self.generation.decode)
        self.token_ids = list(request.prompt_ids)

    @property
    def generated(self) -> int:
        """Tokens generated, the one not fed yet included."""
        return len(self.token_ids) - self.prompt_length

    @property
    def generated_tokens(self) -> int:
        """Tokens generated and shown."""
        return max(0, self.fed - self.prompt_length)

    @property
    def in_prefill(self) -> bool:
        """Whether some of the prompt is still to be fed."""
        return self.fed < self.prompt_length

    @property
    def followers(self) -> list[Sequence]:
        """The branches for which this one reads the prompt."""
        return [one for one in self.generation.branches if one.leader is self]

    @property
    def next_position(self) -> int:
        """The position of the next token that is fed for this branch."""
        return self.leader.fed if self.leader else self.fed

    @property
    def unread(self) -> int:
        """How many tokens of the prompt to feed: but for the last one if others follow, since each
        branch draws after its own."""
        return self.prompt_length - bool(self.followers) - self.fed

    @property
    def touches_prompt(self) -> bool:
        """Whether its edits concern tokens of the prompt that are still to be fed, but the last."""
        first, end = self.next_position, self.prompt_length - 1
        ranges = (e.positions(self.prompt_length, self.request.has_bos) for e in self.edits)
        return any(max(r.start, first) < min(r.stop, end) for r in ranges)

    def edit(self, position: int, edits: tuple[Edit, ...]) -> None:
        """These edits are in force from a position on."""
        self.edits = edits
        self.edited.append((position, edits))

    def edits_before(self, position: int) -> tuple[Edit, ...]:
        """Edits that do to the tokens before a position what was done to them."""
        found = []
        for (start, edits), (end, _) in pairwise([*self.edited, (position, ())]):
            for one in edits:
                last = end - 1 if one.last is None else min(one.last, end - 1)
                if (first := max(one.first, start)) <= last:
                    found.append(replace(one, first=first, last=last))
        return tuple(found)

    def query(self, position: int) -> Query:
        """Why the token at a position was expected there."""
        request = self.request
        assert request.explain
        return Query(
            token_ids=tuple(self.token_ids[:position]),
            target=self.token_ids[position],
            rival=None,
            sources=request.explain.sources,
            limit=request.explain.limit,
            edits=self.edits_before(position),
            prompt_length=self.prompt_length,
            has_bos=request.has_bos,
        )

    def catch_up(self) -> None:
        """Go on by itself from where its leader is, whose keys and values it has now."""
        leader = self.leader
        assert leader
        self.fed, self.logprob = leader.fed, leader.logprob
        self.prompt_tokens = list(leader.prompt_tokens)
        self.detokenizer = leader.detokenizer.copy()
        self.leader = None

    def feed(self, count: int) -> Feed:
        """The next `count` tokens to run through the model."""
        request, start, end = self.request, self.fed, self.fed + count
        drawn = self.generated
        wants_next = end == len(self.token_ids) and drawn < request.max_tokens
        return Feed(
            slot=self.slot,
            ids=self.token_ids[start:end],
            start=start,
            sampling=self.sampling,
            features=request.features,
            draws=drawn if wants_next else None,
            edits=self.edits,
            prompt_length=self.prompt_length,
            has_bos=request.has_bos,
            alternatives=request.alternatives,
            next_id=self.token_ids[end] if end < len(self.token_ids) else None,
        )

    def advance(
        self, fed: Feed, step: StepResult, number: int, eos_ids: Container[int]
    ) -> tuple[list[Token], Reason | None]:
        """Move on by what a step found for this feed, its `number`th: the tokens that can be shown
        now, and why the sequence ends with them, if it does.

        A prompt's tokens can be shown when all of them were fed.
        """
        in_prefill, row = self.in_prefill, step.offsets[number]
        following = step.following.offsets[number] if step.following else -1
        tokens = []
        for index, position in enumerate(range(fed.start, fed.start + len(fed.ids))):
            after = Place(step, following + index) if following >= 0 else None
            tokens.append(self._token(position, Place(step, row + index), after))
        self.fed += len(fed.ids)
        if in_prefill:
            self.prompt_tokens += tokens
            if self.in_prefill:
                return [], None
            tokens, self.prompt_tokens = self.prompt_tokens, []
        ending = self._ending(tokens[-1], step.next_ids[number], eos_ids)
        if ending is None:
            self.token_ids.append(step.next_ids[number])
            self.logprob = step.logprobs[number]
        elif rest := self.detokenizer.flush():  # held back of the last character
            tokens[-1] = tokens[-1]._replace(text=tokens[-1].text + rest)
        return tokens, ending

    def _token(self, position: int, fed: Place, after: Place | None) -> Token:
        token_id, request = self.token_ids[position], self.request
        text = self.detokenizer.push(token_id)
        if position == self.prompt_length - 1:
            text += self.detokenizer.flush()  # a prompt is whole characters
        wanted = request.features
        if position == 0 and request.has_bos and not wanted.include_bos:
            wanted = _NO_FEATURES
        generated, logprob = position >= self.prompt_length, self.logprob
        if after and after.step.following and position + 1 < self.prompt_length:
            self.logprob = after.step.following.known.item(after.row)
        n = request.alternatives or 0
        role = request.roles[position] if position < len(request.roles) else None
        return Token(position, token_id, text, generated, logprob, fed, wanted, after, n, role)

    def _ending(self, last: Token, next_id: int, eos_ids: Container[int]) -> Reason | None:
        if last.generated and self._completes_stop(last.text):
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
