"""From the generated messages to the client's dataclasses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from axon import types
from axon.edits import Branch, Edit, Origin, Where
from axon.v1 import inference_pb2 as pb

_WHERE_NAMES: Mapping[int, Where] = {
    pb.EDIT_WHERE_WHILE_FIRING: "while_firing",
    pb.EDIT_WHERE_EVERYWHERE: "everywhere",
}
_ORIGIN_NAMES: Mapping[int, Origin] = {
    pb.TOKEN_ORIGIN_PROMPT: "prompt",
    pb.TOKEN_ORIGIN_GENERATED: "generated",
}

_REASONS = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_CANCELLED: "cancelled",
}


def event(response: pb.GenerateResponse, sources: tuple[str, ...]) -> types.Event | None:
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
        case "edited":
            return edited(response.edited)
        case "branch_ended":
            return branch_ended(response.branch_ended)
        case "token_effects":
            return token_effects(response.token_effects, sources)
        case "finished":
            return _finished(response.finished)
    return None


def effects(found: Iterable[pb.Effect], sources: Sequence[str]) -> tuple[types.Effect, ...]:
    """Effects of removals, whose sources are counted in this order."""
    return tuple(
        types.Effect(
            position=one.position if one.HasField("position") else None,
            source=sources[one.source],
            feature=one.feature,
            activation=one.activation,
            logprob=one.logprob,
            logit=one.logit,
        )
        for one in found
    )


def agreement(summary: pb.ExplainSummary) -> types.Agreement | None:
    """How well gradients and removals agree, where that could be told."""
    if not summary.HasField("agreement"):
        return None
    return types.Agreement(summary.agreement.pearson, summary.agreement.top_5)


def token_effects(message: pb.TokenEffects, sources: Sequence[str]) -> types.TokenEffects:
    """Causes of a generated token."""
    summary = message.summary
    return types.TokenEffects(
        branch=message.branch,
        position=message.position,
        rival=alternative(message.rival) if message.HasField("rival") else None,
        active=summary.active,
        tried=summary.tried,
        agreement=agreement(summary),
        effects=effects(summary.effects, sources),
    )


def path(message: pb.Path) -> types.Path:
    """What a removal does further on."""
    removal = message.removal
    return types.Path(
        removal=types.Removal(
            removal.source,
            removal.feature,
            removal.position if removal.HasField("position") else None,
        ),
        source=message.source,
        effects=tuple(
            types.PathEffect(one.position, one.feature, one.before, one.after)
            for one in message.effects
        ),
    )


class ExplanationCollector:
    """Puts an explanation together; `on_progress` is told how far it is."""

    def __init__(self, on_progress: Callable[[types.ExplainProgress], object]) -> None:
        self._on_progress = on_progress
        self._told: dict[str | None, pb.ExplainResponse] = {}
        self._measured = 0

    def add(self, response: pb.ExplainResponse) -> None:
        """The next message."""
        kind = response.WhichOneof("event")
        self._told[kind] = response
        if kind in ("started", "effects"):
            self._measured += sum(one.HasField("position") for one in response.effects.effects)
            tried = self._told["started"].started.tried
            self._on_progress(types.ExplainProgress(self._measured, tried))

    @property
    def explanation(self) -> types.Explanation | None:
        """All of it, None if its end is missing."""
        if "summary" not in self._told:
            return None
        return _explanation(self._told)


def _explanation(told: Mapping[str | None, pb.ExplainResponse]) -> types.Explanation:
    started, summary = told["started"].started, told["summary"].summary
    return types.Explanation(
        model=started.model,
        sources=tuple(started.sources),
        tokens=tuple(_token(token, tuple(started.sources)) for token in started.tokens),
        position=started.position,
        target=alternative(started.target),
        rival=alternative(started.rival),
        logit=started.logit,
        active=summary.active,
        tried=summary.tried,
        agreement=agreement(summary),
        effects=effects(summary.effects, started.sources),
        path=path(told["path"].path) if "path" in told else None,
        elapsed_ns=summary.elapsed_ns,
    )


def alternative(message: pb.Alternative) -> types.Alternative:
    """A token that might follow."""
    return types.Alternative(message.token_id, message.text, message.logprob)


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
                edited=tuple(
                    types.EditedFeature(one.feature, one.before, one.after) for one in found.edited
                ),
            )
            for found in token.source_features
        ),
        branch=token.branch,
        alternatives=tuple(map(alternative, token.alternatives)),
        template=token.template,
        role=token.role,
    )


def _started(started: pb.Started) -> types.Started:
    return types.Started(
        model=started.model,
        sources=tuple(started.sources),
        params=params(started.max_tokens, started.sampling, started.features),
        prompt_tokens=started.prompt_tokens,
        generation=started.generation,
        branches=tuple(map(branch, started.branches)),
        pace=shortest(started.pace),
        alternatives=started.alternatives if started.HasField("alternatives") else None,
    )


def branch(message: pb.Branch) -> Branch:
    """A branch with its defaults filled in."""
    seed = message.seed if message.HasField("seed") else None
    return Branch(message.name, tuple(map(edit, message.edits)), seed)


def edit(message: pb.FeatureEdit) -> Edit:
    """An edit with its defaults filled in."""
    change: dict[str, Any] = {}
    if name := message.WhichOneof("change"):
        value = getattr(message, name)
        change[name] = shortest(value) if isinstance(value, float) else value
    return Edit(
        source=message.source,
        feature=message.feature,
        **change,
        where=_WHERE_NAMES.get(message.where),
        origin=_ORIGIN_NAMES.get(message.origin),
        first_position=message.first_position if message.HasField("first_position") else None,
        last_position=message.last_position if message.HasField("last_position") else None,
        include_bos=message.include_bos,
    )


def edited(message: pb.Edited) -> types.Edited:
    """The edits that are in force from a position on."""
    return types.Edited(message.branch, message.position, tuple(map(edit, message.edits)))


def branch_ended(message: pb.BranchEnded) -> types.BranchEnded:
    """How one of several branches ended."""
    return types.BranchEnded(message.branch, reason(message.reason), message.generated_tokens)


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
    """A 32-bit float as people write it, 0.8 and not 0.800000011920929, and still the same one."""
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        if ctypes.c_float(short).value == value:
            return short
    return float(f"{value:.9g}")


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
                not_editable=source.not_editable,
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
            max_branches=limits.max_branches,
            max_edits=limits.max_edits,
            max_alternatives=limits.max_alternatives,
            max_removals=limits.max_removals,
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
            chat=info.chat,
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
        kin=tuple(
            types.Kin(one.source, one.feature, one.cosine, one.mutual) for one in response.kin
        ),
        examples=tuple(
            types.FeatureExample(tuple(one.tokens), tuple(one.activations))
            for one in response.examples
        ),
    )


def _effect(effect: pb.TokenEffect) -> types.TokenEffect:
    return types.TokenEffect(token_id=effect.token_id, text=effect.text, logit=effect.logit)
