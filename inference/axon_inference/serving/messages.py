"""Engine events and descriptions as axon.v1 messages."""

from __future__ import annotations

from collections.abc import Sequence

from axon.v1 import inference_pb2 as pb

from axon_inference.engine.events import (
    BranchEnded,
    Edited,
    Finished,
    Queued,
    Reason,
    Started,
    Timings,
    Token,
    TokenCauses,
)
from axon_inference.engine.requests import (
    Change,
    Edit,
    Feature,
    Features,
    Origin,
    Request,
    Sampling,
    Served,
    TokenEffect,
)
from axon_inference.serving import effects

_REASONS = {
    Reason.STOP: pb.FINISH_REASON_STOP,
    Reason.LENGTH: pb.FINISH_REASON_LENGTH,
    Reason.CANCELLED: pb.FINISH_REASON_CANCELLED,
}


def from_event(
    event: Queued | Started | Edited | BranchEnded | TokenCauses | Finished,
    request: Request,
    served: Served,
    generation: str,
) -> pb.GenerateResponse:
    """The message of an event. `generation` names it in Edit."""
    match event:
        case Queued(position):
            return pb.GenerateResponse(queued=pb.Queued(position=position))
        case Started():
            return pb.GenerateResponse(started=_started(request, served, generation))
        case Edited(branch, position, edits):
            found = feature_edits(edits, served.sources)
            told = pb.Edited(branch=branch, position=position, edits=found)
            return pb.GenerateResponse(edited=told)
        case BranchEnded(branch, reason, generated):
            ended = pb.BranchEnded(
                branch=branch, reason=_REASONS[reason], generated_tokens=generated
            )
            return pb.GenerateResponse(branch_ended=ended)
        case TokenCauses():
            return pb.GenerateResponse(token_effects=_causes(event, request, served))
        case Finished():
            return pb.GenerateResponse(finished=_finished(event))


_ORIGINS = {
    Origin.ANY: pb.TOKEN_ORIGIN_UNSPECIFIED,
    Origin.PROMPT: pb.TOKEN_ORIGIN_PROMPT,
    Origin.GENERATED: pb.TOKEN_ORIGIN_GENERATED,
}


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


def feature_edits(edits: Sequence[Edit], sources: tuple[str, ...]) -> list[pb.FeatureEdit]:
    """Edits with all that a request may leave open spelled out."""
    return [_edit(edit, sources) for edit in edits]


def _edit(edit: Edit, sources: tuple[str, ...]) -> pb.FeatureEdit:
    message = pb.FeatureEdit(
        source=sources[edit.source],
        feature=edit.feature,
        where=pb.EDIT_WHERE_EVERYWHERE if edit.everywhere else pb.EDIT_WHERE_WHILE_FIRING,
        origin=_ORIGINS[edit.origin],
        first_position=edit.first or None,
        last_position=edit.last,
        include_bos=edit.include_bos,
    )
    value = edit.swap_with if edit.change is Change.SWAP else edit.value
    setattr(message, edit.change.value, value)
    return message


def from_feature(feature: Feature, sources: tuple[str, ...]) -> pb.GetFeatureResponse:
    """What is known of a feature."""
    return pb.GetFeatureResponse(
        promoted=[_effect(effect) for effect in feature.promoted],
        suppressed=[_effect(effect) for effect in feature.suppressed],
        neighbors=[
            pb.FeatureNeighbor(index=near.index, cosine=near.cosine) for near in feature.neighbors
        ],
        kin=[
            pb.Kin(
                source=sources[one.source],
                feature=one.feature,
                cosine=one.cosine,
                mutual=one.mutual,
            )
            for one in feature.kin
        ],
        examples=[
            pb.FeatureExample(tokens=one.tokens, activations=one.activations)
            for one in feature.examples
        ],
    )


def _effect(effect: TokenEffect) -> pb.TokenEffect:
    return pb.TokenEffect(token_id=effect.token_id, text=effect.text, logit=effect.logit)


def _started(request: Request, served: Served, generation: str) -> pb.Started:
    features = feature_options(request.features, served.sources)
    return pb.Started(
        model=served.model,
        sources=features.sources,
        sampling=sampling_options(request.sampling),
        features=features,
        max_tokens=request.max_tokens,
        prompt_tokens=len(request.prompt_ids),
        generation=generation,
        branches=[
            pb.Branch(
                name=branch.name,
                edits=feature_edits(branch.edits, served.sources),
                seed=request.sampling.seed if branch.seed is None else branch.seed,
            )
            for branch in request.branches
        ],
        pace=request.pace,
        alternatives=request.alternatives,
    )


def add_token(to: pb.Tokens, token: Token, branch: int, served: Served) -> pb.Token:
    """Put a token into a message. If it were made apart and put in, it would be copied."""
    added = to.tokens.add(
        position=token.position,
        token_id=token.token_id,
        text=token.text,
        origin=pb.TOKEN_ORIGIN_GENERATED if token.generated else pb.TOKEN_ORIGIN_PROMPT,
        logprob=token.logprob,
        branch=branch,
        template=token.role == "",
        role=token.role or "",
    )
    for other in token.alternatives:
        added.alternatives.add(
            token_id=other.token_id, text=served.text(other.token_id), logprob=other.logprob
        )
    for found in token.source_features:
        features = added.source_features.add(
            source=found.source,
            ids=found.ids,
            activations=found.activations,
            l0=found.l0,
            reconstruction_error=found.reconstruction_error,
        )
        for edited in found.edited:
            features.edited.add(feature=edited.feature, before=edited.before, after=edited.after)
    return added


def _causes(event: TokenCauses, request: Request, served: Served) -> pb.TokenEffects:
    told = pb.TokenEffects(branch=event.branch, position=event.position)
    if event.explained:
        told.rival.CopyFrom(effects.alternative(event.explained.rival, served))
        told.summary.CopyFrom(effects.summary(event.explained, request.features.sources))
    return told


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
