"""Frames and error codes in `tests/golden`, which the page's tests read too.

`python -m tests.unit.gateway.test_golden` rewrites the files after an intended change.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import axon_gateway
import pytest
from axon.graph_export import graph
from axon.v1 import inference_pb2 as pb
from axon_gateway import errors, frames
from axon_gateway.backends import statuses
from axon_gateway.errors import Refusal
from axon_gateway.generations.effects import EffectFrames
from axon_gateway.requests import Option, Question
from axon_gateway.rooms import hall
from axon_gateway.rooms.hall import Asked

GOLDEN = Path(__file__).parents[2] / "golden"
_NAMED = re.compile(r'Refusal\(\s*"([a-z_]+)"')


def _effect(feature: int, logprob: float, position: int | None) -> pb.Effect:
    return pb.Effect(
        position=position,
        source=1,
        feature=feature,
        activation=2.5,
        logprob=logprob,
        logit=2 * logprob,
    )


_SILENCE = {"source": "axon-demo/2-res", "feature": 7, "scale": 0, "where": "while_firing"}
_LOUDER = {"source": "axon-demo/2-res", "feature": 9, "scale": 4, "where": "while_firing"}
_TURNS = (Option("silence capitals", _SILENCE), Option("x4 Europe", _LOUDER))
TURN = Asked("q1", Question("turn", "Which one?", _TURNS))
GUESS = Asked("q2", Question("guess", "What comes next?", (Option(" Paris"),), 0, 7))
CONVERSATION = [
    pb.ChatMessage(role="system", content="Be brief."),
    pb.ChatMessage(role="user", content="Hi"),
]
TARGET = pb.Alternative(token_id=1001, text=" Paris", logprob=-0.25)
RIVAL = pb.Alternative(token_id=1003, text=" London", logprob=-2.5)
SUMMARY = pb.ExplainSummary(
    active=312,
    tried=64,
    agreement=pb.Agreement(pearson=0.40625, top_5=0.6),
    effects=[_effect(7, -2.25, 1), _effect(9, 0.5, None)],
    elapsed_ns=12_500_000,
)


def every_frame() -> dict[str, dict[str, Any]]:
    """One frame of each kind, as a client reads it."""
    sources = ("axon-demo/1-res", "axon-demo/2-res")
    tokens = frames.TokenFrames(sources, {sources[0]: 1, sources[1]: 2}, _label, _facts)
    sampling = pb.SamplingOptions(
        temperature=0.8, top_k=0, top_p=1, repetition_penalty=1, seed=2**64 - 1, stop=["\n"]
    )
    features = pb.FeatureOptions(sources=sources, top_k=15, threshold=0)
    started = pb.Started(
        model="axon-demo",
        sources=sources,
        max_tokens=60,
        sampling=sampling,
        features=features,
        prompt_tokens=2,
        generation="secret",
        branches=[pb.Branch(name="1", seed=2**64 - 1)],
    )
    silence = pb.FeatureEdit(
        source=sources[1], feature=7, scale=0, where=pb.EDIT_WHERE_WHILE_FIRING
    )
    swap = pb.FeatureEdit(
        source=sources[1],
        feature=7,
        swap_with=9,
        where=pb.EDIT_WHERE_WHILE_FIRING,
        origin=pb.TOKEN_ORIGIN_GENERATED,
        first_position=3,
        last_position=8,
        include_bos=True,
    )
    twin = pb.Started()
    twin.CopyFrom(started)
    twin.pace, twin.alternatives = 10, 2
    twin.branches[0].name = "as is"
    twin.branches.add(name="silent", seed=2**64 - 1, edits=[silence])
    of_twin = frames.TokenFrames(
        sources, {sources[0]: 1, sources[1]: 2}, _label, _facts, branches=2
    )
    spoken = frames.TokenFrames(sources, {sources[0]: 1, sources[1]: 2}, _label, _facts)
    ended = pb.BranchEnded(branch=1, reason=pb.FINISH_REASON_STOP, generated_tokens=1)
    done = pb.Finished(
        reason=pb.FINISH_REASON_LENGTH,
        prompt_tokens=2,
        generated_tokens=1,
        timings=pb.Timings(queue_ns=1, prefill_ns=9_000_000, decode_ns=21_000_000),
    )
    refusal = Refusal("queue_full", "8 requests wait already", None, 2.0)
    effects = EffectFrames(sources, _label)
    made = {
        "room": frames.room(
            "k3f9x2",
            "viewer",
            3,
            presenting=True,
            is_open=False,
            published=True,
            epoch=1700000000000000,
            presenter_token=None,
        ),
        "room_of_presenter": frames.room(
            "k3f9x2",
            "presenter",
            1,
            presenting=True,
            is_open=True,
            published=False,
            epoch=1700000000000000,
            presenter_token="secret",
        ),
        "queued": frames.queued(pb.Queued(position=2)),
        "started_conversation": frames.started(started, "Be brief.Hi", CONVERSATION),
        "prompt_of_conversation": spoken.prompt(
            [_token(0, "<user>", [], template=True), _token(1, "Hi", [(7, 1.5)], role="user")]
        ),
        "started_twin": frames.started(twin, "The capital"),
        "prompt_of_branch": of_twin.prompt(
            [_token(0, "<|endoftext|>", [], branch=1), _silenced(1, "The", -3.5)]
        ),
        "token_of_branch": of_twin.token(_silenced(2, " Rome", -1.25)),
        "edited": frames.edited(pb.Edited(branch=1, position=3, edits=[silence, swap])),
        "branch_ended": frames.branch_ended(ended),
        "started": frames.started(started, "The capital"),
        "prompt": tokens.prompt([_token(0, "<|endoftext|>", []), _token(1, "The", [(7, 1.5)])]),
        "token": tokens.token(_token(2, " Paris", [(7, 2.25), (9, 0.5)], logprob=-0.5)),
        "labels": frames.labels(sources[1], {9: "European geography"}, _facts),
        "finished": frames.finished(done),
        "stopped": frames.stopped(2, 1),
        "error": frames.error(refusal),
        "error_of_field": frames.error(Refusal("out_of_range", "top_p must be 0 to 1", "top_p")),
        "view": frames.view(
            (1.0, 2.5, -3.0),
            f"{sources[1]}/9",
            4,
            filters=["hide: punctuation"],
            sources=sources[1:],
        ),
        "view_of_an_earlier_page": frames.view((), None, None, filters=None, sources=None),
        "question_turn": frames.question(hall.told(TURN)),
        "question_guess": frames.question(hall.told(GUESS)),
        "no_question": frames.question(None),
        "tally": hall.tally(TURN, {"1": 2}),
        "outcome": hall.outcome(GUESS, {"0": 3, "w:lyon": 1}, " Paris"),
        "line": frames.line([("a1", "Ada"), ("b2", "guest 3")], "b2"),
        "no_line": frames.line([], None),
        "pong": frames.pong(),
        "effects": effects.of_token(
            pb.TokenEffects(branch=0, position=2, rival=RIVAL, summary=SUMMARY)
        ),
        "effects_missed": effects.of_token(pb.TokenEffects(branch=1, position=2)),
    }
    encoded = {name: frames.encode(frame, seq) for seq, (name, frame) in enumerate(made.items())}
    two = [encoded["token"], encoded["labels"]]
    batch = frames.encode_batch(two, json.loads(two[-1])["seq"])
    return {name: _without_time(json.loads(f)) for name, f in {**encoded, "batch": batch}.items()}


def every_answer() -> dict[str, dict[str, Any]]:
    """One frame of each kind that answers why a token came."""
    sources = ("axon-demo/1-res", "axon-demo/2-res")
    effects = EffectFrames(sources, _label)
    explained = list(effects.summary(SUMMARY))
    refusal = Refusal("out_of_range", "target must be exactly one token", "target")
    refusal.id = "why-1"
    made = {
        "explaining": effects.started(
            pb.ExplainStarted(
                model="axon-demo",
                sources=sources,
                tokens=[_token(0, "<|endoftext|>", []), _token(1, "The", [])],
                position=2,
                target=TARGET,
                rival=RIVAL,
                logit=2.25,
                active=312,
                tried=64,
            )
        ),
        "measured": effects.measured([_effect(7, -2.25, 1)]),
        "path": effects.path(
            pb.Path(
                removal=pb.Removal(source=sources[0], feature=9, position=1),
                source=sources[1],
                effects=[pb.PathEffect(position=1, feature=7, before=2.5, after=0.5)],
            )
        ),
        "effect": explained[0],
        "effect_everywhere": explained[1],
        "explained": explained[-1],
        "error_of_question": frames.error(refusal),
    }
    encoded = {name: frames.encode(frame, seq) for seq, (name, frame) in enumerate(made.items())}
    return {name: _without_time(json.loads(one)) for name, one in encoded.items()}


def every_graph() -> dict[str, Any]:
    """The graph that the page saves of these answers."""
    told = every_answer()
    effects = [told["effect"], told["effect_everywhere"]]
    return graph(told["explaining"], effects, told["explained"], [told["path"]])


def _label(source: str, index: int) -> str | None:
    return "capitals" if index == 7 else None


def _facts(source: str, index: int) -> dict[str, float]:
    return {"max": 14.5 if index == 7 else 9.25, "score": 0.875, "density": 0.0625}


def _token(
    position: int,
    text: str,
    active: list[tuple[int, float]],
    logprob: float | None = None,
    branch: int = 0,
    *,
    role: str = "",
    template: bool = False,
) -> pb.Token:
    found = pb.SourceFeatures(
        source=1,
        ids=[id_ for id_, _ in active],
        activations=[value for _, value in active],
        l0=31,
        reconstruction_error=0.125,
    )
    return pb.Token(
        position=position,
        token_id=1000 + position,
        text=text,
        logprob=logprob,
        source_features=[found] if active else [],
        branch=branch,
        role=role,
        template=template,
    )


def _silenced(position: int, text: str, logprob: float) -> pb.Token:
    """A token of branch 1, in which feature 7 is silenced, with two alternatives."""
    token = _token(position, text, [(9, 0.5)], logprob, branch=1)
    token.source_features[0].edited.add(feature=7, before=2.25, after=0)
    token.alternatives.add(token_id=1001, text=" Paris", logprob=-0.75)
    token.alternatives.add(token_id=1002, text=" Rome", logprob=-1.25)
    return token


def _without_time(frame: dict[str, Any]) -> dict[str, Any]:
    frame["time"] = 1_700_000_000.0
    return (
        frame
        if frame["type"] != "batch"
        else {
            **{name: value for name, value in frame.items() if name != "time"},
            "frames": [_without_time(inner) for inner in frame["frames"]],
        }
    )


def every_code() -> list[str]:
    """Every code that a refusal can carry."""
    named = {code for text in sources().values() for code in _NAMED.findall(text)}
    return sorted(named | errors.STATUS.keys() | statuses._REASONS)


def sources() -> dict[str, str]:
    """The text of each module of the gateway, those of its subpackages too."""
    folder = Path(axon_gateway.__file__).parent
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py")}


@pytest.mark.parametrize("name", every_frame())
def test_a_frame_is_as_the_page_expects_it(name: str) -> None:
    assert every_frame()[name] == _read("frames")[name]


@pytest.mark.parametrize("name", every_answer())
def test_an_answer_is_as_the_page_expects_it(name: str) -> None:
    assert every_answer()[name] == _read("answers")[name]


def test_the_graph_is_as_the_page_writes_it() -> None:
    assert every_graph() == _read("graph")


def test_the_golden_files_have_exactly_these_frames() -> None:
    assert every_frame().keys() == _read("frames").keys()
    assert every_answer().keys() == _read("answers").keys()


def test_every_error_code_is_known_to_the_page() -> None:
    assert every_code() == _read("errors")


def test_each_refusal_names_its_code_where_the_scan_finds_it() -> None:
    """Only the translation of gRPC statuses computes one, from codes that it lists."""
    unnamed = {
        name
        for name, text in sources().items()
        if len(re.findall(r"(?<!class )\bRefusal\(", text)) != len(_NAMED.findall(text))
    }
    assert unnamed == {"backends/statuses.py"}


def _read(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def _write() -> None:
    made = {
        "frames": every_frame(),
        "answers": every_answer(),
        "graph": every_graph(),
        "errors": every_code(),
    }
    for name, value in made.items():
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        (GOLDEN / f"{name}.json").write_text(text)


if __name__ == "__main__":
    _write()
