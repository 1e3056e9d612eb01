"""Between the generated messages and the client's dataclasses, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict

from axon import types
from axon.errors import AxonError, FieldViolation
from axon.v1 import inference_pb2 as pb


class Knobs(TypedDict, total=False):
    """What a generation may be asked for; what is left out or None means the server's default."""

    max_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    repetition_penalty: float | None
    seed: int | None
    stop: str | Sequence[str] | None
    sources: str | Sequence[str] | None
    feat_k: int | None
    act_threshold: float | None
    include_bos: bool | None


#: Where each knob lies in GenerateRequest.
FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "max_tokens": "max_tokens",
    "temperature": "sampling.temperature",
    "top_k": "sampling.top_k",
    "top_p": "sampling.top_p",
    "repetition_penalty": "sampling.repetition_penalty",
    "seed": "sampling.seed",
    "stop": "sampling.stop",
    "sources": "features.sources",
    "feat_k": "features.top_k",
    "act_threshold": "features.threshold",
    "include_bos": "features.include_bos",
}

_REASONS = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_CANCELLED: "cancelled",
}


def generate_request(prompt: str, knobs: Mapping[str, Any]) -> pb.GenerateRequest:
    """The message for a prompt and `Knobs`.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that the message cannot hold,
    such as a negative or a fractional count; ranges are the server's to judge. TypeError for a knob
    that does not exist.
    """
    if unknown := knobs.keys() - FIELDS.keys() | ({"prompt"} & knobs.keys()):
        raise TypeError(f"unknown knob: {', '.join(sorted(unknown))}")
    request = pb.GenerateRequest()
    for name, value in {"prompt": prompt, **knobs}.items():
        if value is not None:
            _assign(request, name, value)
    return request


def feature_request(source: str, index: int, limit: int | None) -> pb.GetFeatureRequest:
    """The message for one feature; `limit` None means the server's default.

    Raises AxonError (INVALID_ARGUMENT, naming the field) for a value that it cannot hold.
    """
    request = pb.GetFeatureRequest()
    given = {"source": source, "index": index, **({} if limit is None else {"limit": limit})}
    for name, value in given.items():
        with _naming(name, name, value):
            setattr(request, name, value)
    return request


def _assign(request: pb.GenerateRequest, name: str, value: object) -> None:
    """Sets one knob, or raises AxonError naming it."""
    owner, _, field = FIELDS[name].rpartition(".")
    message = getattr(request, owner) if owner else request
    with _naming(name, FIELDS[name], value):
        if name in ("stop", "sources"):
            values = [value] if isinstance(value, str) else value
            getattr(message, field).extend(values)
        else:
            setattr(message, field, value)


@contextmanager
def _naming(name: str, field: str, value: object) -> Iterator[None]:
    """A block that sets a field: a value that it cannot hold becomes an AxonError naming it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        violation = FieldViolation(field, f"{value!r} does not fit: {error}")
        message_text = f"{name}: {violation.description}"
        raise AxonError("INVALID_ARGUMENT", message_text, (violation,)) from error


def event(
    response: pb.GenerateResponse, sources: tuple[str, ...]
) -> types.Queued | types.Started | types.Tokens | types.Finished | None:
    """The event in a response, None for a kind newer than this client.

    `sources` are those of the stream's `started` event; they name each token's features.
    """
    match response.WhichOneof("event"):
        case "tokens":
            return types.Tokens(tuple(_token(token, sources) for token in response.tokens.tokens))
        case "queued":
            return types.Queued(response.queued.position)
        case "started":
            return _started(response.started)
        case "finished":
            return _finished(response.finished)
    return None


def _token(token: pb.Token, sources: tuple[str, ...]) -> types.Token:
    return types.Token(
        position=token.position,
        token_id=token.token_id,
        text=token.text,
        generated=token.origin == pb.TOKEN_ORIGIN_GENERATED,
        logprob=token.logprob if token.HasField("logprob") else None,
        source_features=tuple(
            types.SourceFeatures(
                source=sources[found.source],
                ids=tuple(found.ids),
                activations=tuple(found.activations),
                l0=found.l0,
                reconstruction_error=found.reconstruction_error,
            )
            for found in token.source_features
        ),
    )


def _started(started: pb.Started) -> types.Started:
    return types.Started(
        model=started.model,
        sources=tuple(started.sources),
        params=params(started.max_tokens, started.sampling, started.features),
        prompt_tokens=started.prompt_tokens,
    )


def _finished(finished: pb.Finished) -> types.Finished:
    return types.Finished(
        reason=reason(finished.reason),
        prompt_tokens=finished.prompt_tokens,
        generated_tokens=finished.generated_tokens,
        timings=timings(finished.timings),
    )


def reason(value: pb.FinishReason.ValueType) -> str:
    """ "stop", "length" or "cancelled"; "unknown" for one newer than this client."""
    return _REASONS.get(value, "unknown")


def timings(message: pb.Timings) -> types.Timings:
    """The stage timings, in nanoseconds."""
    return types.Timings(
        queue_ns=message.queue_ns,
        prefill_ns=message.prefill_ns,
        decode_ns=message.decode_ns,
        forward_ns=message.forward_ns,
        sae_ns=message.sae_ns,
        sample_ns=message.sample_ns,
    )


def params(
    max_tokens: int, sampling: pb.SamplingOptions, features: pb.FeatureOptions
) -> types.Params:
    """Resolved knobs, flat, under their JSON names."""
    return types.Params(
        max_tokens=max_tokens,
        temperature=shortest(sampling.temperature),
        top_k=sampling.top_k,
        top_p=shortest(sampling.top_p),
        repetition_penalty=shortest(sampling.repetition_penalty),
        seed=sampling.seed if sampling.HasField("seed") else None,
        stop=tuple(sampling.stop),
        feat_k=features.top_k,
        act_threshold=shortest(features.threshold),
        include_bos=features.include_bos,
    )


def shortest(value: float) -> float:
    """A 32-bit float as people write it: 0.8, not 0.800000011920929."""
    return float(f"{value:.7g}")


def model(response: pb.GetModelResponse) -> types.Model:
    """The description of a server."""
    limits, info = response.limits, response.info
    return types.Model(
        model=response.model,
        sources=tuple(
            types.Source(
                id=source.id,
                hook_name=source.hook_name,
                layer=source.layer,
                width=source.width,
                architecture=source.architecture,
                neuronpedia_url=source.neuronpedia_url,
            )
            for source in response.sources
        ),
        limits=types.Limits(
            context_length=limits.context_length,
            max_prompt_characters=limits.max_prompt_characters,
            max_features=limits.max_features,
            slots=limits.slots,
            max_queue=limits.max_queue,
            cache_bytes=limits.cache_bytes,
        ),
        defaults=params(
            response.defaults.max_tokens, response.defaults.sampling, response.defaults.features
        ),
        load=types.Load(running=response.load.running, queued=response.load.queued),
        info=types.ModelInfo(
            n_layers=info.n_layers,
            d_model=info.d_model,
            vocab_size=info.vocab_size,
            device=info.device,
            dtype=info.dtype,
        ),
    )


def feature(response: pb.GetFeatureResponse) -> types.Feature:
    """What a feature's weights say."""
    return types.Feature(
        promoted=tuple(_effect(effect) for effect in response.promoted),
        suppressed=tuple(_effect(effect) for effect in response.suppressed),
        neighbors=tuple(
            types.FeatureNeighbor(index=near.index, cosine=near.cosine)
            for near in response.neighbors
        ),
    )


def _effect(effect: pb.TokenEffect) -> types.TokenEffect:
    return types.TokenEffect(token_id=effect.token_id, text=effect.text, logit=effect.logit)
