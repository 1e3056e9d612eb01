"""What the engine answers: the events of a request, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Self

from axon_service.logs import describe

from axon_inference.engine import effects
from axon_inference.engine.requests import Edit, Features
from axon_inference.engine.step import Alternative, SourceFeatures, StageTimes, StepResult


class Reason(Enum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"


@dataclass
class Timings:
    """Wall-clock nanoseconds; a stage's time is that of the steps the request took part in."""

    queue_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    forward_ns: int = 0
    sae_ns: int = 0
    sample_ns: int = 0

    def add(self, step: StageTimes) -> None:
        """The request has taken part in a step."""
        self.forward_ns += step.forward_ns
        self.sae_ns += step.sae_ns
        self.sample_ns += step.sample_ns


class Place(NamedTuple):
    """A place in a step's columns."""

    step: StepResult
    row: int


class Token(NamedTuple):
    """One token: its text, and where the steps have what else is known of it.

    `logprob` is None for tokens of a prompt that is not scored. `fed` is the row of the token
    itself, `wanted` are the features to tell. `following` is the row of what may follow it, if
    `alternatives` were asked for. In a conversation's prompt, `role` is that of the message that it
    is of, "" if the chat template added it; elsewhere None.
    """

    position: int
    token_id: int
    text: str
    generated: bool
    logprob: float | None
    fed: Place
    wanted: Features
    following: Place | None = None
    n_alternatives: int = 0
    role: str | None = None

    @property
    def source_features(self) -> list[SourceFeatures]:
        """The features of its own position."""
        return self.fed.step.features(self.fed.row, self.wanted)

    @property
    def alternatives(self) -> list[Alternative]:
        """The likeliest next tokens, likeliest first."""
        if not self.following:
            return []
        return self.following.step.alternatives(self.following.row, self.n_alternatives)


@dataclass(frozen=True)
class Queued:
    """The request waits; `position` requests are ahead of it."""

    position: int


@dataclass(frozen=True)
class Started:
    """The request has its slots."""


class Tokens(NamedTuple):
    """Consecutive tokens of a branch."""

    tokens: list[Token]
    branch: int = 0


@dataclass(frozen=True)
class Edited:
    """A branch has these edits from `position` on."""

    branch: int
    position: int
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class BranchEnded:
    """One of several branches ended, and others go on."""

    branch: int
    reason: Reason
    generated_tokens: int


@dataclass(frozen=True)
class TokenCauses:
    """Which features made the model expect a generated token; None if there was no room to tell."""

    branch: int
    position: int
    explained: effects.Explained | None


@dataclass(frozen=True)
class Finished:
    """The generation ended well: `reason` is why its last branch did, `generated_tokens` those of
    all branches."""

    reason: Reason
    prompt_tokens: int
    generated_tokens: int
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True)
class Failed:
    """The generation ended badly: for a reason of this request alone, or with the engine."""

    message: str
    engine_died: bool = False

    @classmethod
    def by(cls, error: Exception) -> Self:
        """An exception concerns this request alone."""
        return cls(f"this request could not be computed ({describe(error)})")


Event = (
    Queued
    | Started
    | Tokens
    | Edited
    | BranchEnded
    | TokenCauses
    | Finished
    | Failed
    | effects.Told
)
