"""What the service is asked, in plain dataclasses: no torch, no protobuf."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from axon_inference.engine.chat import Chat, Message

# The most features of a token and source, and entries of a list that describes a feature.
MAX_FEATURES = 256
MAX_FEATURE_ENTRIES = 100
# The most branches of a request, edits of a branch, and likeliest next tokens of a position.
MAX_BRANCHES = 8
MAX_EDITS = 8
MAX_ALTERNATIVES = 20
# The most removals that an explanation tries.
MAX_REMOVALS = 1024
# A token of running prose is 4 characters or so; 16 leaves room for code and tables.
CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; the meaning of each knob is `axon.v1.SamplingOptions`'s."""

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Features:
    """Which features each token carries; `sources` indexes the server's sources."""

    sources: tuple[int, ...] = ()
    top_k: int = 15
    threshold: float = 0.0
    include_bos: bool = False


class Change(Enum):
    """What becomes of an activation a; each is named as in `axon.v1.FeatureEdit`."""

    SET = "set"
    SCALE = "scale"
    ADD = "add"
    SWAP = "swap_with"


class Origin(Enum):
    """Which tokens an edit is limited to."""

    ANY = "any"
    PROMPT = "prompt"
    GENERATED = "generated"


@dataclass(frozen=True)
class Edit:
    """Changes one feature of one source, as `axon.v1.FeatureEdit` with its defaults filled in.

    `source` is an index of the server's sources. `value` is what SET, SCALE and ADD are given, and
    `swap_with` the feature that takes this one's place. The edit applies where the feature is
    active, or `everywhere`, at positions `first` to `last`.
    """

    source: int
    feature: int
    change: Change
    value: float = 0.0
    swap_with: int = 0
    everywhere: bool = False
    origin: Origin = Origin.ANY
    first: int = 0
    last: int | None = None
    include_bos: bool = False

    def positions(self, prompt_length: int, has_bos: bool) -> range:
        """Where it may apply in a sequence whose prompt has so many tokens, a BOS included."""
        first = max(self.first, int(has_bos and not self.include_bos))
        end = sys.maxsize if self.last is None else self.last + 1
        if self.origin is Origin.GENERATED:
            first = max(first, prompt_length)
        elif self.origin is Origin.PROMPT:
            end = min(end, prompt_length)
        return range(first, end)


@dataclass(frozen=True)
class Branch:
    """One of several continuations of a prompt; without a `seed` it has its request's."""

    name: str = "1"
    edits: tuple[Edit, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class Explain:
    """Which removals are tried: at most `limit`, of features of some of the server's sources."""

    sources: tuple[int, ...]
    limit: int


@dataclass(frozen=True)
class Request:
    """Continuations to make of one prompt, side by side.

    `prompt_ids` is never empty; `has_bos` says its first is BOS. There is one branch at least.
    `pace` is the most tokens a second of each, 0 if there is no bound. `alternatives` is how many
    likeliest next tokens are wanted at each position; with it come log-probabilities of the prompt.
    `explain` asks for the causes of generated tokens. Of a conversation, `roles` has for each token
    of the prompt the role of the message that it is of, "" if the chat template added it.
    """

    prompt_ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = Sampling()
    features: Features = Features()
    has_bos: bool = False
    branches: tuple[Branch, ...] = (Branch(),)
    pace: float = 0
    alternatives: int | None = None
    explain: Explain | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Served:
    """What requests are checked against: the server's own description, and a tokenizer.

    The model knows the ids below `vocab_size`; a tokenizer may have more.
    """

    model: str
    sources: tuple[str, ...]
    context_length: int
    vocab_size: int
    bos_id: int | None
    encode: Callable[[str], list[int]]
    #: How the tokenizer writes one token, for messages.
    piece: Callable[[int], str] = str
    #: The text of one token alone.
    text: Callable[[int], str] = chr
    #: Of each source the first one that reads further on in the model, if any does.
    above: tuple[int | None, ...] = ()
    #: What the chat template makes of messages, if there is one.
    chat: Callable[[Sequence[Message]], Chat] | None = None

    @property
    def max_prompt_characters(self) -> int:
        """Longer prompts are refused before they are tokenised."""
        return self.context_length * CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class TokenEffect:
    """What one unit of a feature's activation does to one token's logit."""

    token_id: int
    text: str
    logit: float


@dataclass(frozen=True)
class Neighbor:
    """A feature of the same source, and the cosine of the two decoder rows."""

    index: int
    cosine: float


@dataclass(frozen=True)
class Kin:
    """The feature of another source whose decoder row is most like one's; `mutual` if that one's
    row is the most like it, too."""

    source: int
    feature: int
    cosine: float
    mutual: bool


@dataclass(frozen=True)
class Example:
    """The texts of some tokens, and a feature's activation at each."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]


class Unreadable(ValueError):
    """A feature whose weights say nothing of logits; the message says why."""


@dataclass(frozen=True)
class Feature:
    """What is known of a feature, each list strongest first; kin in the order of sources."""

    promoted: tuple[TokenEffect, ...]
    suppressed: tuple[TokenEffect, ...]
    neighbors: tuple[Neighbor, ...]
    kin: tuple[Kin, ...] = ()
    examples: tuple[Example, ...] = ()
