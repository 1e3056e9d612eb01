"""Engine events and descriptions as axon.v1 messages."""

from __future__ import annotations

from collections.abc import Iterator

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.events import Finished, Queued, Reason, Started, Timings, Token, Tokens
from axon_inference.engine.requests import (
    Feature,
    Features,
    Request,
    Sampling,
    Served,
    TokenEffect,
)

_REASONS = {
    Reason.STOP: pb.FINISH_REASON_STOP,
    Reason.LENGTH: pb.FINISH_REASON_LENGTH,
    Reason.CANCELLED: pb.FINISH_REASON_CANCELLED,
}


def from_event(
    event: Queued | Started | Tokens | Finished, request: Request, served: Served
) -> Iterator[pb.GenerateResponse]:
    """The messages of an event: one each token, else one."""
    match event:
        case Tokens(tokens):
            yield from map(_token, tokens)
        case Queued(position):
            yield pb.GenerateResponse(queued=pb.Queued(position=position))
        case Started():
            yield pb.GenerateResponse(started=_started(request, served))
        case Finished():
            yield pb.GenerateResponse(finished=_finished(event))


def outcome(finished: pb.Finished) -> str:
    """Why a generation ended, in a word."""
    return next(reason.value for reason, sent in _REASONS.items() if sent == finished.reason)


def sampling_options(sampling: Sampling, *, with_seed: bool = True) -> pb.SamplingOptions:
    """All sampling knobs, spelled out."""
    return pb.SamplingOptions(
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        repetition_penalty=sampling.repetition_penalty,
        seed=sampling.seed if with_seed else None,
        stop=sampling.stop,
    )


def feature_options(features: Features, sources: tuple[str, ...]) -> pb.FeatureOptions:
    """All feature knobs, spelled out."""
    return pb.FeatureOptions(
        sources=[sources[index] for index in features.sources],
        top_k=features.top_k,
        threshold=features.threshold,
        include_bos=features.include_bos,
    )


def from_feature(feature: Feature) -> pb.GetFeatureResponse:
    """What a feature's weights say."""
    return pb.GetFeatureResponse(
        promoted=[_effect(effect) for effect in feature.promoted],
        suppressed=[_effect(effect) for effect in feature.suppressed],
        neighbors=[
            pb.FeatureNeighbor(index=near.index, cosine=near.cosine) for near in feature.neighbors
        ],
    )


def _effect(effect: TokenEffect) -> pb.TokenEffect:
    return pb.TokenEffect(token_id=effect.token_id, text=effect.text, logit=effect.logit)


def _started(request: Request, served: Served) -> pb.Started:
    features = feature_options(request.features, served.sources)
    return pb.Started(
        model=served.model,
        sources=features.sources,
        sampling=sampling_options(request.sampling),
        features=features,
        max_tokens=request.max_tokens,
        prompt_tokens=len(request.prompt_ids),
    )


def _token(token: Token) -> pb.GenerateResponse:
    message = pb.GenerateResponse()
    # A part that is made apart and put in would be copied.
    added = message.tokens.tokens.add(
        position=token.position,
        token_id=token.token_id,
        text=token.text,
        origin=pb.TOKEN_ORIGIN_GENERATED if token.drawn else pb.TOKEN_ORIGIN_PROMPT,
        logprob=token.logprob,
    )
    for found in token.source_features:
        added.source_features.add(
            source=found.source,
            ids=found.ids,
            activations=found.activations,
            l0=found.l0,
            reconstruction_error=found.reconstruction_error,
        )
    return message


def _finished(event: Finished) -> pb.Finished:
    return pb.Finished(
        reason=_REASONS[event.reason],
        prompt_tokens=event.prompt_tokens,
        generated_tokens=event.generated_tokens,
        timings=_timings(event.timings),
    )


def _timings(timings: Timings) -> pb.Timings:
    return pb.Timings(
        queue_ns=timings.queue_ns,
        prefill_ns=timings.prefill_ns,
        decode_ns=timings.decode_ns,
        forward_ns=timings.forward_ns,
        sae_ns=timings.sae_ns,
        sample_ns=timings.sample_ns,
    )
