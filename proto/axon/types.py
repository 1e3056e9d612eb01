"""What the client hands out: plain frozen dataclasses, one for each message of the contract.

Names and meanings are those of `inference.proto`; two things are made easier: a token's features
name their source instead of counting it, and the knobs lie flat under the names that Axon's JSON
interface uses (`feat_k`, `act_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass

from axon import shown
from axon.edits import Branch, Edit


@dataclass(frozen=True, slots=True)
class Params:
    """Every knob of a generation with its default filled in."""

    max_tokens: int
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    #: None only among the defaults of `Model`: each request draws its own.
    seed: int | None
    stop: tuple[str, ...]
    #: Most features per token and source.
    feat_k: int
    #: Only activations strictly above this are reported, in the SAE's units.
    act_threshold: float
    include_bos: bool


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits for a slot."""

    #: Requests ahead of this one.
    position: int


@dataclass(frozen=True, slots=True)
class Started:
    """The request has a slot."""

    model: str
    #: The sources reported, in the order of every token's `source_features`.
    sources: tuple[str, ...]
    params: Params
    prompt_tokens: int
    #: Names the generation in `Client.edit`. Whoever has it may edit: it is a secret.
    generation: str = ""
    #: With names, seeds and each edit's defaults filled in.
    branches: tuple[Branch, ...] = ()
    #: Most tokens a second of each branch; 0: as fast as it goes.
    pace: float = 0.0
    #: Likeliest next tokens that each position carries; None: none, and no prompt's logprobs.
    alternatives: int | None = None


@dataclass(frozen=True, slots=True)
class EditedFeature:
    """A feature whose activation edits changed at one position."""

    feature: int
    #: On the unedited vector, in the SAE's units.
    before: float
    #: What the model goes on with.
    after: float


@dataclass(frozen=True, slots=True)
class SourceFeatures:
    """What one SAE found at one position."""

    source: str
    #: Feature indices, strongest first.
    ids: tuple[int, ...]
    #: Their activations, in the SAE's units.
    activations: tuple[float, ...]
    #: How many features are active here, reported or not.
    l0: int
    #: |x - x_hat|^2 / |x|^2 of the SAE's reconstruction; 0 is perfect.
    reconstruction_error: float
    #: What edits changed here; `ids` and `activations` are those after it.
    edited: tuple[EditedFeature, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that might follow."""

    token_id: int
    text: str
    #: Natural logarithm of its probability.
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the features of its own position."""

    position: int
    token_id: int
    #: The text it adds; concatenated over all tokens, exactly the decoded text.
    text: str
    #: False for a token of the prompt.
    generated: bool
    #: Natural logarithm of the model's own probability. Of the prompt, only with `alternatives`,
    #: and never of its first token.
    logprob: float | None
    source_features: tuple[SourceFeatures, ...]
    #: Index of its branch.
    branch: int = 0
    #: The tokens most likely to follow, likeliest first.
    alternatives: tuple[Alternative, ...] = ()
    #: Whether the chat template added it to the messages.
    template: bool = False
    #: The role of the message whose text it is of; "" elsewhere.
    role: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Consecutive tokens of each branch: the whole prompt at once, then one or more a step."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """A branch has other edits from now on."""

    branch: int
    #: The first position that they apply to.
    position: int
    #: All that are in force from there on, with each one's defaults filled in.
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class BranchEnded:
    """One of several branches ended; the others go on."""

    branch: int
    #: "stop", "length" or "cancelled".
    reason: str
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Wall-clock durations in nanoseconds."""

    queue_ns: int
    prefill_ns: int
    decode_ns: int
    forward_ns: int
    sae_ns: int
    sample_ns: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The generation ended well."""

    #: "stop", "length" or "cancelled"; of several branches, why the last one ended.
    reason: str
    prompt_tokens: int
    #: Of all branches.
    generated_tokens: int
    timings: Timings


@dataclass(frozen=True, slots=True)
class Removal:
    """A feature silenced: its activation becomes 0, and what the SAE does not explain stays."""

    source: str
    feature: int
    #: None: at each position where it is active.
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What silencing one feature does to a token."""

    #: None: silenced at each position where it is active.
    position: int | None
    source: str
    feature: int
    #: There, in the SAE's units; the largest one if `position` is None.
    activation: float
    #: Change of the token's log-probability: below 0 if the feature spoke for it.
    logprob: float
    #: Change of its logit less the rival's.
    logit: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How gradient x activation agrees with what was measured."""

    #: Pearson's correlation, -1 to 1.
    pearson: float
    #: Share of the five strongest measured that are among the five strongest estimated.
    top_5: float


@dataclass(frozen=True, slots=True)
class PathEffect:
    """A feature further on, and its activation without and with a removal."""

    position: int
    feature: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Path:
    """What a removal does to the features of the next source, largest change first."""

    removal: Removal
    source: str
    effects: tuple[PathEffect, ...]


@dataclass(frozen=True, slots=True)
class Explanation(shown.Effects):
    """Which features made the model expect a token, measured by their removal."""

    model: str
    #: Those whose features could be tried.
    sources: tuple[str, ...]
    #: What was read, without features.
    tokens: tuple[Token, ...]
    #: Of the token that is explained.
    position: int
    target: Alternative
    #: The token it is compared with.
    rival: Alternative
    #: Logit of the target less that of the rival.
    logit: float
    #: Active features, counted at each position; and how many of them were tried.
    active: int
    tried: int
    #: None where there is too little to compare.
    agreement: Agreement | None
    #: The largest change of the log-probability first.
    effects: tuple[Effect, ...]
    path: Path | None
    elapsed_ns: int


@dataclass(frozen=True, slots=True)
class ExplainProgress:
    """How far an explanation is: removals at single positions that are measured, and all."""

    measured: int
    tried: int


@dataclass(frozen=True, slots=True)
class TokenEffects:
    """Causes of one generated token."""

    branch: int
    position: int
    #: None, with no effects, if the server had no room to explain the token.
    rival: Alternative | None
    active: int = 0
    tried: int = 0
    agreement: Agreement | None = None
    effects: tuple[Effect, ...] = ()


Event = Queued | Started | Tokens | Edited | BranchEnded | TokenEffects | Finished


@dataclass(frozen=True, slots=True)
class Continuation(shown.Tokens):
    """What became of one branch."""

    name: str
    seed: int | None
    #: In force at the start.
    edits: tuple[Edit, ...]
    #: What changed them later.
    edited: tuple[Edited, ...]
    #: The prompt's first.
    tokens: tuple[Token, ...]
    #: "stop", "length" or "cancelled".
    reason: str

    @property
    def text(self) -> str:
        """The generated text."""
        return "".join(token.text for token in self.tokens if token.generated)

    def _all(self) -> tuple[Token, ...]:
        return self.tokens


@dataclass(frozen=True, slots=True)
class Result(shown.Shaded):
    """A whole generation."""

    started: Started
    branches: tuple[Continuation, ...]
    finished: Finished

    def _all(self) -> tuple[Token, ...]:
        return tuple(token for branch in self.branches for token in branch.tokens)


@dataclass(frozen=True, slots=True)
class Source:
    """One SAE on one hook point."""

    id: str
    hook_name: str
    layer: int
    #: Number of features.
    width: int
    architecture: str
    #: Empty where Neuronpedia does not show the source.
    neuronpedia_url: str
    #: Why its features cannot be edited; empty if they can.
    not_editable: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a request."""

    #: Tokens of prompt and continuation together.
    context_length: int
    #: Unicode code points.
    max_prompt_characters: int
    #: Per token and source.
    max_features: int
    slots: int
    max_queue: int
    #: Of the keys and values of all slots.
    cache_bytes: int
    #: Of a request.
    max_branches: int = 0
    #: Of a branch.
    max_edits: int = 0
    #: Likeliest next tokens of a position.
    max_alternatives: int = 0
    #: Of an explanation; 0: the server does not explain.
    max_removals: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the server is."""

    running: int
    queued: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The shape of the model."""

    n_layers: int
    d_model: int
    vocab_size: int
    device: str
    dtype: str
    #: Whether it has a chat template, so that a request may have messages.
    chat: bool = False


@dataclass(frozen=True, slots=True)
class TokenEffect:
    """What one unit of a feature's activation does to one token's logit."""

    token_id: int
    text: str
    #: Change of the logit, before the final norm's scale.
    logit: float


@dataclass(frozen=True, slots=True)
class FeatureNeighbor:
    """A feature of the same source with a similar decoder row."""

    index: int
    #: Cosine similarity of the two rows.
    cosine: float


@dataclass(frozen=True, slots=True)
class Kin:
    """The feature of another source whose decoder row is most similar."""

    source: str
    feature: int
    #: Cosine similarity of the two rows.
    cosine: float
    #: Whether this feature is the most similar one to that, too.
    mutual: bool


@dataclass(frozen=True, slots=True)
class FeatureExample:
    """A piece of text in which a feature was active."""

    tokens: tuple[str, ...]
    #: Of the feature at each token, in the SAE's units.
    activations: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """What is known of a feature, each list strongest first, but `kin`: in the order of sources."""

    promoted: tuple[TokenEffect, ...]
    suppressed: tuple[TokenEffect, ...]
    neighbors: tuple[FeatureNeighbor, ...]
    kin: tuple[Kin, ...] = ()
    #: Where they are known.
    examples: tuple[FeatureExample, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What a server serves."""

    model: str
    sources: tuple[Source, ...]
    limits: Limits
    defaults: Params
    load: Load
    info: ModelInfo
