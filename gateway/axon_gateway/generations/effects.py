"""What removals of features do, as frames: of an explanation, and of a generated token.

A removal silences one feature, the SAE's error kept. Its effect is the change of the explained
token's log-probability, and of its logit less its rival's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from axon import messages
from axon.v1 import inference_pb2 as pb

from axon_gateway.frames import Frame, LabelOf, alternative, digits


class EffectFrames:
    """Makes frames; `sources` are those that effects count, and `label_of` never waits."""

    def __init__(self, sources: Sequence[str], label_of: LabelOf) -> None:
        self._sources = sources
        self._label_of = label_of

    def features(self, effects: Iterable[pb.Effect]) -> list[Frame]:
        """The features that were removed, as a label feed takes them."""
        return [self._named("id", one.feature, self._sources[one.source]) for one in effects]

    def started(self, event: pb.ExplainStarted) -> Frame:
        """What is explained."""
        return {
            "type": "explaining",
            "model": event.model,
            "sources": list(event.sources),
            "tokens": [
                {"position": one.position, "token_id": one.token_id, "token": one.text}
                for one in event.tokens
            ],
            "position": event.position,
            "target": alternative(event.target),
            "rival": alternative(event.rival),
            "logit": digits(event.logit),
            "active": event.active,
            "tried": event.tried,
        }

    def measured(self, effects: Iterable[pb.Effect]) -> Frame:
        """Measurements as they come."""
        return {"type": "effects", "effects": self._all(effects)}

    def path(self, event: pb.Path) -> Frame:
        """What one removal does to the features of the next source."""
        removal = event.removal
        position = removal.position if removal.HasField("position") else None
        removed = self._named("feature", removal.feature, removal.source)
        return {
            "type": "path",
            "source": event.source,
            "removal": {**removed, "position": position},
            "effects": [
                {
                    "position": one.position,
                    **self._label("feature", one.feature, event.source),
                    "before": digits(one.before),
                    "after": digits(one.after),
                }
                for one in event.effects
            ],
        }

    def summary(self, event: pb.ExplainSummary) -> Iterable[Frame]:
        """All effects, the strongest first, and what they cover."""
        for one in event.effects:
            yield {"type": "effect", **self._effect(one)}
        yield {
            "type": "explained",
            **_coverage(event),
            "elapsed_ms": round(event.elapsed_ns / 1e6, 3),
        }

    def of_token(self, event: pb.TokenEffects) -> Frame:
        """The causes of one generated token, or that there was no room to measure them."""
        place = {"type": "effects", "branch": event.branch, "position": event.position}
        if not event.HasField("summary"):
            return {**place, "missed": True}
        return {
            **place,
            "rival": alternative(event.rival) if event.HasField("rival") else None,
            **_coverage(event.summary),
            "effects": self._all(event.summary.effects),
        }

    def _all(self, effects: Iterable[pb.Effect]) -> list[Frame]:
        return [self._effect(one) for one in effects]

    def _effect(self, effect: pb.Effect) -> Frame:
        return {
            "position": effect.position if effect.HasField("position") else None,
            **self._named("feature", effect.feature, self._sources[effect.source]),
            "activation": digits(effect.activation),
            "logprob": digits(effect.logprob),
            "logit": digits(effect.logit),
        }

    def _named(self, key: str, feature: int, source: str) -> Frame:
        return {"source": source, **self._label(key, feature, source)}

    def _label(self, key: str, feature: int, source: str) -> Frame:
        label = self._label_of(source, feature)
        return {key: feature} if label is None else {key: feature, "label": label}


def _coverage(summary: pb.ExplainSummary) -> dict[str, Any]:
    """How many features were active and tried, and how far gradient and removal agree on those."""
    agreement = None
    if summary.HasField("agreement"):
        found = summary.agreement
        agreement = {
            "pearson": messages.shortest(found.pearson),
            "top_5": messages.shortest(found.top_5),
        }
    return {"active": summary.active, "tried": summary.tried, "agreement": agreement}
