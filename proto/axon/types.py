"""What the client hands out: plain frozen dataclasses, one for each message of the contract.

Names and meanings are those of `inference.proto`; two things are made easier: a token's features
name their source instead of counting it, and the knobs lie flat under the names that Axon's JSON
interface uses (`feat_k`, `act_threshold`).
"""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the features of its own position."""

    position: int
    token_id: int
    #: The text it adds; concatenated over all tokens, exactly the decoded text.
    text: str
    #: False for a token of the prompt.
    generated: bool
    #: Natural logarithm of the model's own probability; generated tokens only.
    logprob: float | None
    source_features: tuple[SourceFeatures, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Consecutive tokens: the whole prompt at once, then one or more a step."""

    tokens: tuple[Token, ...]


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

    #: "stop", "length" or "cancelled".
    reason: str
    prompt_tokens: int
    generated_tokens: int
    timings: Timings


Event = Queued | Started | Tokens | Finished


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
class Feature:
    """What a feature's weights say, each list strongest first."""

    promoted: tuple[TokenEffect, ...]
    suppressed: tuple[TokenEffect, ...]
    neighbors: tuple[FeatureNeighbor, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """What a server serves."""

    model: str
    sources: tuple[Source, ...]
    limits: Limits
    defaults: Params
    load: Load
    info: ModelInfo
