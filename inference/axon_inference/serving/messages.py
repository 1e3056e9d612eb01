"""Engine events and descriptions as axon.v1 messages."""

from __future__ import annotations

from collections.abc import Iterator

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.requests import (
    Event,
    Failed,
    Feature,
    Features,
    Finished,
    Queued,
    Reason,
    Request,
    Sampling,
    Served,
    SourceFeatures,
    Started,
    Timings,
    Token,
    TokenEffect,
    Tokens,
)

_REASONS = {
    Reason.STOP: pb.FINISH_REASON_STOP,
    Reason.LENGTH: pb.FINISH_REASON_LENGTH,
    Reason.CANCELLED: pb.FINISH_REASON_CANCELLED,
}


def from_event(
    event: Event, request: Request, served: Served, message_bytes: int
) -> Iterator[pb.GenerateResponse]:
    """The messages of one event: one, or several if tokens take more than `message_bytes`."""
    match event:
        case Queued(position):
            yield pb.GenerateResponse(queued=pb.Queued(position=position))
        case Started():
            yield pb.GenerateResponse(started=_started(request, served))
        case Tokens(tokens):
            for group in _groups([_token(t) for t in tokens], message_bytes):
                yield pb.GenerateResponse(tokens=pb.Tokens(tokens=group))
        case Finished():
            yield pb.GenerateResponse(finished=_finished(event))
        case Failed():
            raise AssertionError("a failure is a gRPC status, not a message")


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


def _token(token: Token) -> pb.Token:
    generated = token.logprob is not None
    return pb.Token(
        position=token.position,
        token_id=token.token_id,
        text=token.text,
        origin=pb.TOKEN_ORIGIN_GENERATED if generated else pb.TOKEN_ORIGIN_PROMPT,
        logprob=token.logprob,
        source_features=[_source_features(found) for found in token.source_features],
    )


def _source_features(found: SourceFeatures) -> pb.SourceFeatures:
    return pb.SourceFeatures(
        source=found.source,
        ids=found.ids.tolist(),
        activations=found.activations.tolist(),
        l0=found.l0,
        reconstruction_error=found.reconstruction_error,
    )


def _groups(tokens: list[pb.Token], message_bytes: int) -> Iterator[list[pb.Token]]:
    group: list[pb.Token] = []
    size = 0
    for token in tokens:
        token_bytes = token.ByteSize()
        if group and size + token_bytes > message_bytes:
            yield group
            group, size = [], 0
        group.append(token)
        size += token_bytes
    yield group


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
