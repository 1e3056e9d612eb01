"""The command: from settings and a text file to a folder of labels."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axon_inference.config import Settings
from axon_inference.engine.requests import Unreadable
from axon_inference.labelling import writing
from axon_inference.labelling.asking import Endpoint, explain
from axon_inference.labelling.contexts import Firings, Text, collect, read_text
from axon_inference.labelling.wording import Wordings, promoted
from axon_inference.loading.ready import Loaded, load

_log = logging.getLogger(__name__)

_AUTHOR = "axon-label"
#: Promoted tokens of a label.
_PROMOTED = 3
#: Questions that the endpoint gets at a time.
_AT_ONCE = 4


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    text: Path
    folder: Path
    tokens: int
    endpoint: Endpoint | None = None
    #: Most features of each source that the endpoint explains, those that fire most first.
    explained: int = 0


def wanted(arguments: argparse.Namespace, key: str) -> Wanted:
    """What the arguments ask for. ValueError if they do not fit."""
    if bool(arguments.endpoint) != bool(arguments.explainer):
        raise ValueError("--endpoint and --explainer go together")
    endpoint = None
    if arguments.endpoint:
        endpoint = Endpoint(arguments.endpoint, arguments.explainer, key)
    return Wanted(arguments.text, arguments.to, arguments.tokens, endpoint, arguments.explain)


def run(settings: Settings, wanted: Wanted) -> None:
    """Labels the features of all sources.

    Raises:
        ValueError: the text is too short, or is none.
        OSError: a file cannot be read or written, or the endpoint does not answer.
        Unservable: the model and its SAEs cannot be loaded.
    """
    if not wanted.text.is_file():
        raise ValueError(f"{wanted.text} is no file")
    loaded = load(replace(settings, map="off", slots=1, graphs="off"))
    windows = read_text(wanted.text, loaded, wanted.tokens)
    told = _Progress()
    text, firings = collect(loaded, windows, told)
    for number, (source, found) in enumerate(zip(loaded.served.sources, firings, strict=True)):
        _label(loaded, number, source, text, found, wanted)
    _log.info("serve them with AXON_LABELS=%s", wanted.folder)


class _Progress:
    """Tells of each tenth."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, done: float) -> None:
        if int(10 * done) > self._told:
            self._told = int(10 * done)
            _log.info("%d%% of the text is read", 10 * self._told)


def _label(
    loaded: Loaded, number: int, source: str, text: Text, found: Firings, wanted: Wanted
) -> None:
    wordings = Wordings(text)
    explanations: dict[int, dict[str, Any]] = {}
    statistics = []
    words = 0
    for feature, tokens, activations in found.by_feature():
        density = len(tokens) / len(text.tokens)
        statistics.append(writing.statistics(source, feature, float(activations.max()), density))
        if wording := wordings.of(tokens):
            score = wording.score
            words += 1
            explanations[feature] = writing.explanation(
                source,
                feature,
                wording.description,
                "tokens",
                _AUTHOR,
                ("precision", score.precision),
                recall=round(score.recall, 4),
                heldoutFirings=score.firings,
            )
        elif description := _promoted(loaded, number, feature):
            explanations[feature] = writing.explanation(
                source, feature, description, "promoted-tokens", _AUTHOR
            )
    if wanted.endpoint:
        explanations.update(_explained(wanted, source, text, found))
    writing.write(wanted.folder, source, "explanations", explanations.values())
    writing.write(wanted.folder, source, "features", statistics)
    _log.info(
        "%s: %d features fire; tokens say where %d of them do, by half of the text that did not "
        "choose them",
        source,
        len(statistics),
        words,
    )


def _promoted(loaded: Loaded, number: int, feature: int) -> str | None:
    try:
        found = loaded.reader.read(number, feature, _PROMOTED)
    except Unreadable:
        return None
    return promoted([effect.text for effect in found.promoted])


def _explained(
    wanted: Wanted, source: str, text: Text, found: Firings
) -> Iterator[tuple[int, dict[str, Any]]]:
    """By the endpoint: rows of the features that fire most."""
    endpoint = wanted.endpoint
    assert endpoint
    most = sorted(found.by_feature(), key=lambda one: -len(one[1]))[: wanted.explained]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda one: explain(endpoint, text, one[1], one[2]), most)
        for (feature, _, _), answer in zip(most, answers, strict=True):
            if answer:
                score = None if answer.accuracy is None else ("detection", answer.accuracy)
                yield (
                    feature,
                    writing.explanation(
                        source, feature, answer.line, "explained", endpoint.model, score
                    ),
                )
