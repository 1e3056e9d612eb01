"""An explanation as a graph that circuit-tracer's front end reads.

The format is that of circuit-tracer 0.5, schema version 1: nodes for the text's tokens, for
features and for the output tokens, and links between them. Here each link was measured by a
removal, not derived from gradients; `metadata.axon` says so. The page writes the same graph, and
`tests/golden/graph.json` keeps both alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from axon.types import Explanation, Path

SCHEMA_VERSION = 1

#: A frame, or a part of one, of the answer to `explain`, as `docs/frames.md` lists its fields.
Part = Mapping[str, Any]

#: Words that a graph's name has of its text.
_SLUG_WORDS = 8


def graph(
    explaining: Part,
    effects: Sequence[Part],
    explained: Part,
    paths: Sequence[Part] = (),
    sources: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The graph of an answer: its frame `explaining`, its effects, its last frame, and its paths.

    Nodes are placed by the index of their source among `sources`, from the lowest layer up (those
    of `explaining`, if they are not given). Effects at no single position have no place in it and
    are left out. A link to the output token weighs how far its logit less the rival's falls when
    the feature is silenced; a link to a feature, how far that feature's activation falls.
    """
    names = list(explaining["sources"] if sources is None else sources)
    tokens: Sequence[Part] = explaining["tokens"]
    made = _Nodes(names, len(tokens) - 1)
    for position, token in enumerate(tokens):
        made.embedding(token["token_id"], position)
    word = made.logit(explaining["target"], explained=True)
    if (rival := explaining.get("rival")) is not None:
        made.logit(rival, explained=False)
    links = []
    for effect in effects:
        if (node := made.feature(effect, effect["activation"])) is not None:
            links.append(_link(node, word, -effect["logit"]))
    pinned = {word: None}  # in order
    for path in paths:
        above = made.feature(path["removal"], None)
        for change in path["effects"]:
            lost = change["before"] - change["after"]
            below = None
            if lost > 0:
                below = made.feature({**change, "source": path["source"]}, change["before"])
            if above is None or below is None:
                continue
            links.append(_link(above, below, lost))
            pinned |= {above: None, below: None}
    texts = [token["token"] for token in tokens]
    model = explaining["model"]
    return {
        "metadata": {
            "slug": _slug(model, "".join([*texts, explaining["target"]["token"]])),
            "scan": f"custom-{model}",
            "transcoder_list": names,
            "prompt_tokens": [_shown(text) for text in texts],
            "prompt": "".join(texts),
            "node_threshold": None,
            "schema_version": SCHEMA_VERSION,
            "axon": {
                "method": "removal",
                "active": explained["active"],
                "tried": explained["tried"],
                "weight_to_logit": "fall of the target's logit less the rival's when the source is "
                "silenced, measured",
                "weight_to_feature": "fall of the target's activation when the source is silenced, "
                "measured",
            },
        },
        "qParams": {
            "linkType": "both",
            "pinnedIds": list(pinned),
            "clickedId": word,
            "supernodes": [],
            "sg_pos": "",
        },
        "nodes": list(made.nodes.values()),
        "links": links,
    }


def of_explanation(found: Explanation, paths: Iterable[Path] = ()) -> dict[str, Any]:
    """The graph of an explanation, with what some of its removals do to features further on."""
    told = asdict(found)
    tokens = [{"token": one.text, "token_id": one.token_id} for one in found.tokens]
    ends = {name: {**told[name], "token": told[name]["text"]} for name in ("target", "rival")}
    further = [path for path in (found.path, *paths) if path is not None]
    return graph(
        {**told, **ends, "tokens": tokens}, told["effects"], told, [asdict(one) for one in further]
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: `layer` is the index of its source, "E" for a token of the text."""

    layer: str
    position: int
    kind: Literal["cross layer transcoder", "embedding", "logit"]


class _Nodes:
    """The nodes by id; asked for twice, a node is made once."""

    def __init__(self, sources: Sequence[str], last: int) -> None:
        self._sources = sources
        self._last = last
        self.nodes: dict[str, dict[str, Any]] = {}

    def embedding(self, token_id: int, position: int) -> str:
        place = _Place("E", position, "embedding")
        return self._add(f"E_{token_id}_{position}", position, place, "")

    def feature(self, at: Part, activation: float | None) -> str | None:
        """A feature at a position; None if it is at no single one, or its source has no place."""
        source, feature, position = at["source"], at["feature"], at["position"]
        if position is None or source not in self._sources:
            return None
        layer = self._sources.index(source)
        place = _Place(str(layer), position, "cross layer transcoder")
        label = at.get("label") or f"{source}/{feature}"
        id_ = f"{layer}_{feature}_{position}"
        return self._add(id_, _paired(layer, feature), place, label, activation=activation)

    def logit(self, token: Part, explained: bool) -> str:
        layer, share = len(self._sources) + 1, math.exp(token["logprob"])
        place = _Place(str(layer), self._last, "logit")
        clerp = f'Output "{_shown(token["token"])}" (p={share:.3f})'
        id_ = f"{layer}_{token['token_id']}_{self._last}"
        more = {"token_prob": share, "is_target_logit": explained}
        return self._add(id_, token["token_id"], place, clerp, **more)

    def _add(self, id_: str, feature: int, place: _Place, clerp: str, **more: Any) -> str:
        node = {
            "node_id": id_,
            "feature": feature,
            "layer": place.layer,
            "ctx_idx": place.position,
            "feature_type": place.kind,
            "token_prob": 0.0,
            "is_target_logit": False,
            "clerp": clerp,
            "activation": None,
            "jsNodeId": id_,
            "run_idx": 0,
            "reverse_ctx_idx": 0,
            "influence": None,
        }
        self.nodes.setdefault(id_, node | more)
        return id_


def _link(source: str, target: str, weight: float) -> dict[str, Any]:
    return {"source": source, "target": target, "weight": weight}


def _paired(layer: int, feature: int) -> int:
    """One number for a layer and a feature: Cantor's pairing, as schema version 1 has it."""
    return (layer + feature) * (layer + feature + 1) // 2 + feature


def _shown(token: str) -> str:
    """Line ends and tabs as signs."""
    return token.translate({ord("\n"): "⏎", ord("\t"): "→", ord("\r"): "↵"})


def _slug(model: str, text: str) -> str:
    # Without the names of special tokens.
    words = re.findall("[a-z0-9]+", re.sub("<[^<>]*>", "", text.lower()))
    return "-".join([model, *words[-_SLUG_WORDS:]])
