"""A graph has what circuit-tracer's front end reads, and its own model class takes it."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from axon.graph_export import SCHEMA_VERSION, graph

#: Where `make install` puts circuit-tracer's front end.
FRONT_END = Path(sys.prefix) / "tools" / "circuit_tracer" / "frontend"

LOWER, UPPER = "axon-demo/1-res", "axon-demo/2-res"
EXPLAINING = {
    "model": "axon-demo",
    "sources": [LOWER, UPPER],
    "tokens": [
        {"position": position, "token_id": 40 + position, "token": text}
        for position, text in enumerate(["<|endoftext|>", "The", " capital\n", " of", " France"])
    ],
    "position": 5,
    "target": {"token": " Paris", "token_id": 9, "logprob": -0.25},
    "rival": {"token": " London", "token_id": 8, "logprob": -2.0},
    "logit": 1.75,
}
EXPLAINED = {"active": 312, "tried": 3, "agreement": None, "elapsed_ms": 12.0}


def effect(source: str, feature: int, position: int | None, logit: float) -> dict[str, Any]:
    named = {"source": source, "feature": feature, "label": f"label {feature}"}
    return {**named, "position": position, "activation": 2.5, "logprob": logit / 2, "logit": logit}


EFFECTS = [
    effect(LOWER, 3, 4, -3.0),
    effect(LOWER, 3, None, -3.0),
    effect(UPPER, 7, 4, -1.5),
    effect(UPPER, 7, 2, 0.5),
]
PATH = {
    "source": UPPER,
    "removal": {"source": LOWER, "feature": 3, "position": 4},
    "effects": [
        {"position": 4, "feature": 7, "label": "label 7", "before": 3.0, "after": 1.0},
        {"position": 4, "feature": 11, "before": 1.0, "after": 0.0},
        {"position": 4, "feature": 12, "before": 0.0, "after": 2.0},
    ],
}
#: The kinds of nodes that the front end tells apart, of those that are made here.
KINDS = {"embedding", "cross layer transcoder", "logit"}


@pytest.fixture
def made() -> dict[str, Any]:
    """As it is read from a file."""
    found = json.loads(json.dumps(graph(EXPLAINING, EFFECTS, EXPLAINED, [PATH])))
    assert isinstance(found, dict)
    return found


def test_links_are_what_was_measured(made: dict[str, Any]) -> None:
    word = "3_9_4"
    assert made["links"] == [
        {"source": "0_3_4", "target": word, "weight": 3.0},
        {"source": "1_7_4", "target": word, "weight": 1.5},
        {"source": "1_7_2", "target": word, "weight": -0.5},
        {"source": "0_3_4", "target": "1_7_4", "weight": 2.0},
        {"source": "0_3_4", "target": "1_11_4", "weight": 1.0},
    ]
    assert made["qParams"]["pinnedIds"] == [word, "0_3_4", "1_7_4", "1_11_4"]
    assert made["qParams"]["clickedId"] == word


def test_what_was_not_measured_is_not_made_up(made: dict[str, Any]) -> None:
    nodes = {node["node_id"]: node for node in made["nodes"]}
    # Only seen on a path: its activation there is known, its effect on the word is not.
    assert nodes["1_11_4"]["activation"] == 1.0
    assert not [link for link in made["links"] if link["source"] == "1_11_4"]
    assert (
        made["metadata"]["axon"] | {"method": "removal", "active": 312, "tried": 3}
        == (made["metadata"]["axon"])
    )
    unseen = graph(EXPLAINING, [], EXPLAINED, [PATH])
    [removed] = [node for node in unseen["nodes"] if node["node_id"] == "0_3_4"]
    assert removed["activation"] is None


def test_the_front_end_finds_what_it_reads(made: dict[str, Any]) -> None:
    """What `formatData` of its `util-cg.js` takes for granted."""
    metadata, nodes = made["metadata"], made["nodes"]
    assert metadata["schema_version"] == SCHEMA_VERSION == 1
    assert metadata["scan"].startswith("custom-")
    tokens = metadata["prompt_tokens"]
    assert tokens == ["<|endoftext|>", "The", " capital⏎", " of", " France"]
    ids = [node["node_id"] for node in nodes]
    assert len(set(ids)) == len(ids)
    # Two nodes alike in these three would count as one feature.
    alike = [(node["layer"], node["feature"], node["ctx_idx"]) for node in nodes]
    assert len(set(alike)) == len(alike)
    for node in nodes:
        assert node["feature_type"] in KINDS
        assert 0 <= node["ctx_idx"] < len(tokens)
        assert (node["layer"] == "E") == (node["feature_type"] == "embedding")
        if node["feature_type"] == "cross layer transcoder":
            assert metadata["transcoder_list"][int(node["layer"])] in (LOWER, UPPER)
        if node["feature_type"] == "logit":
            shown = re.fullmatch(r'Output "(.+)" \(p=([0-9.]+)\)', node["clerp"])
            assert shown is not None
            assert float(shown[2]) == pytest.approx(node["token_prob"], abs=5e-4)
    assert {end for link in made["links"] for end in (link["source"], link["target"])} <= set(ids)
    [target] = [node for node in nodes if node["is_target_logit"]]
    assert target["clerp"] == 'Output " Paris" (p=0.779)'
    assert [node["ctx_idx"] for node in nodes if node["layer"] == "E"] == [0, 1, 2, 3, 4]


@pytest.mark.skipif(not FRONT_END.is_dir(), reason="circuit-tracer's front end is not installed")
def test_their_own_model_class_takes_it(made: dict[str, Any]) -> None:
    spec = importlib.util.spec_from_file_location("theirs", FRONT_END / "graph_models.py")
    assert spec
    assert spec.loader
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    read = models.Model.model_validate(made)
    assert read.metadata.schema_version == 1
    assert [node.node_id for node in read.nodes] == [node["node_id"] for node in made["nodes"]]
    # As they number a feature, so that their links to feature pages lead to the same one.
    theirs = models.Node.feature_node(1, 4, 7)
    [ours] = [node for node in read.nodes if node.node_id == theirs.node_id]
    assert ours.feature == theirs.feature


def test_its_name_is_made_of_the_text(made: dict[str, Any]) -> None:
    assert made["metadata"]["slug"] == "axon-demo-the-capital-of-france-paris"


def test_a_source_that_is_not_listed_has_no_place() -> None:
    found = graph(EXPLAINING, EFFECTS, EXPLAINED, [PATH], sources=[UPPER])
    assert {node["node_id"] for node in found["nodes"] if node["layer"] == "0"} == {
        "0_7_4",
        "0_7_2",
        "0_11_4",
    }
    assert len(found["links"]) == 2
