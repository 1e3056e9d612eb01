"""Results in a notebook: as tables, as a matrix, and as a shaded text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import axon
import pyarrow as pa
import pytest
from axon import extras
from axon.edits import Edit
from axon.types import (
    Agreement,
    Alternative,
    Continuation,
    EditedFeature,
    Effect,
    Explanation,
    Finished,
    Params,
    Result,
    SourceFeatures,
    Started,
    Timings,
    Token,
)

SOURCES = ("m/0-res", "m/1-res")
SWAP = Edit("m/1-res", 9, swap_with=4)


def found(source: str, *pairs: tuple[int, float], **more: Any) -> SourceFeatures:
    ids, activations = (tuple(column) for column in zip(*pairs, strict=True))
    return SourceFeatures(source, ids, activations, len(ids) + 10, 0.25, **more)


def token(position: int, text: str, *features: SourceFeatures, branch: int = 0) -> Token:
    generated = position > 1
    logprob = -0.5 if generated else None
    return Token(position, 100 + position, text, generated, logprob, features, branch)


AS_IS = (
    token(0, "<bos>"),
    token(1, "<script>alert(1)</script>", found("m/0-res", (7, 4.0), (3, 1.0))),
    replace(
        token(2, " Paris", found("m/0-res", (3, 2.0)), found("m/1-res", (9, 8.0))),
        alternatives=(Alternative(5, " Rome", -2.0),),
    ),
    token(3, "\n\x1b", found("m/1-res", (2, 6.0))),
)
EDITED = (
    *(replace(one, branch=1) for one in AS_IS[:2]),
    token(
        2,
        " Tokyo",
        found("m/1-res", (4, 8.0), edited=(EditedFeature(9, 8.0, 0.0), EditedFeature(4, 0, 8.0))),
        branch=1,
    ),
)
RESULT = Result(
    Started("m", SOURCES, Params(4, 0.0, 0, 1.0, 1.0, 1, (), 15, 0.0, False), 2),
    (
        Continuation("as is", 1, (), (), AS_IS, "length"),
        Continuation("edited", 1, (SWAP,), (), EDITED, "length"),
    ),
    Finished("length", 2, 3, Timings(0, 0, 0, 0, 0, 0)),
)
EXPLANATION = Explanation(
    model="m",
    sources=SOURCES,
    tokens=AS_IS[:2],
    position=2,
    target=Alternative(102, " Paris", -0.5),
    rival=Alternative(5, " Rome", -2.0),
    logit=1.5,
    active=3,
    tried=2,
    agreement=Agreement(0.75, 0.5),
    effects=(Effect(1, "m/0-res", 7, 4.0, -2.0, -1.5), Effect(None, "m/0-res", 3, 1.0, 0.5, 0.25)),
    path=None,
    elapsed_ns=1,
)


def test_an_arrow_table_has_all_that_is_known_of_each_token() -> None:
    table = RESULT.to_arrow()
    table.validate(full=True)
    rows = table.to_pylist()
    assert [row["token"] for row in rows] == [one.text for one in (*AS_IS, *EDITED)]
    assert rows[0]["features"] == rows[0]["saes"] == rows[0]["alternatives"] == []
    assert rows[2] == {
        "branch": 0,
        "position": 2,
        "token_id": 102,
        "token": " Paris",
        "generated": True,
        "logprob": -0.5,
        "features": [
            {"source": "m/0-res", "feature": 3, "activation": 2.0},
            {"source": "m/1-res", "feature": 9, "activation": 8.0},
        ],
        "saes": [
            {"source": "m/0-res", "l0": 11, "reconstruction_error": 0.25},
            {"source": "m/1-res", "l0": 11, "reconstruction_error": 0.25},
        ],
        "edited": [],
        "alternatives": [{"token_id": 5, "token": " Rome", "logprob": -2.0}],
    }
    assert rows[6]["edited"] == [
        {"source": "m/1-res", "feature": 9, "before": 8.0, "after": 0.0},
        {"source": "m/1-res", "feature": 4, "before": 0.0, "after": 8.0},
    ]
    assert RESULT.branches[1].to_arrow().to_pylist() == [
        {**row, "features": row["features"]} for row in rows[4:]
    ]


def test_a_frame_has_a_row_for_each_feature_of_a_token() -> None:
    frame = RESULT.to_pandas()
    assert len(frame) == 1 + 2 + 2 + 1 + 1 + 2 + 1
    assert frame.feature.isna().tolist()[:2] == [True, False]  # BOS has none, and stays
    paris = frame[frame.token == " Paris"]
    assert list(zip(paris.source, paris.feature, paris.activation, strict=True)) == [
        ("m/0-res", 3, 2.0),
        ("m/1-res", 9, 8.0),
    ]
    by_feature = frame.groupby(["source", "feature"], observed=True).activation.max()
    assert by_feature["m/0-res", 7] == 4.0


def test_a_sparse_matrix_has_a_row_for_each_token() -> None:
    matrix = RESULT.to_sparse("m/1-res", width=16)
    assert matrix.shape == (7, 16)
    assert matrix.dtype == "float32"
    assert {(int(r), int(c)): v for (r, c), v in matrix.todok().items()} == {
        (2, 9): 8.0,
        (3, 2): 6.0,
        (6, 4): 8.0,
    }
    assert RESULT.branches[0].to_sparse("m/0-res").toarray().tolist() == [
        [0] * 8,
        [0, 0, 0, 1, 0, 0, 0, 4],
        [0, 0, 0, 2, 0, 0, 0, 0],
        [0] * 8,
    ]


def test_a_matrix_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(axon.AxonError, match="no features of 'm/2-res' here, but of: m/0-res, m/1"):
        RESULT.to_sparse("m/2-res")
    with pytest.raises(axon.AxonError, match="width is 9, but feature 9 of m/1-res is active"):
        RESULT.to_sparse("m/1-res", width=9)


def test_effects_are_tables() -> None:
    rows = EXPLANATION.to_arrow().to_pylist()
    assert rows[0] == {
        "position": 1,
        "token": AS_IS[1].text,
        "source": "m/0-res",
        "feature": 7,
        "activation": 4.0,
        "logprob": -2.0,
        "logit": -1.5,
    }
    assert (rows[1]["position"], rows[1]["token"]) == (None, None)
    assert EXPLANATION.to_pandas().logprob.tolist() == [-2.0, 0.5]


class Drawn(HTMLParser):
    """The tokens of a drawing: their shade and what is told of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.shades: list[float] = []
        self.kinds: list[str] = []
        self.all = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = {name: value or "" for name, value in attrs}
        kind = given.get("class", "").split()
        if kind[:1] == ["t"]:
            self.kinds.append(" ".join(kind[1:]))
            style = given["style"]
            alpha = style.rpartition(",")[2].rstrip(")") if style else "0"
            self.shades.append(float(alpha) * (-1 if "60,130,240" in style else 1))

    def handle_data(self, data: str) -> None:
        self.all += data


def test_a_result_is_drawn_without_script_and_with_its_text_as_text() -> None:
    drawn = Drawn(RESULT._repr_html_())
    assert "script" not in drawn.tags
    assert "<script>alert(1)</script>" in drawn.all
    assert "\x1b" not in drawn.all
    assert "http" not in RESULT._repr_html_()
    assert "edited: m/1-res/9 swap 4." in drawn.all
    assert drawn.kinds == ["", "", "g", "g", "", "", "g d"]  # the generated, the other one


def test_tokens_are_shaded_by_their_strongest_feature_or_a_chosen_one() -> None:
    assert Drawn(RESULT._repr_html_()).shades == [0, 0.55, 0.55, 0.41, 0, 0.55, 0.55]
    drawn = Drawn(RESULT.shaded("m/0-res/3", {"m/0-res/3": "a <b>label</b>"}))
    assert drawn.shades == [0, 0.28, 0.55, 0, 0, 0.28, 0]
    assert "Shaded by m/0-res/3 a <b>label</b>; darkest: 2.00." in drawn.all
    assert "b" in drawn.tags  # its own, for numbers
    assert "reported features of no token" in RESULT.shaded("m/0-res/1")


def test_what_is_told_of_a_token_has_what_edits_changed() -> None:
    told = Drawn(RESULT._repr_html_()).all
    assert "9 0.00 (was 8.00)" in told
    assert "4 8.00 (was 0.00)" in told


@pytest.mark.parametrize("feature", ["m/2-res/3", "3", "m/0-res/x", "m/0-res"])
def test_shading_by_what_is_no_feature_is_refused(feature: str) -> None:
    with pytest.raises(
        axon.AxonError, match=r"is not SOURCE/INDEX, with a source of: m/0-res, m/1"
    ):
        RESULT.shaded(feature)


def test_an_explanation_is_drawn() -> None:
    drawn = Drawn(EXPLANATION._repr_html_())
    assert drawn.shades == [0, 0.55]
    assert "Why ' Paris' (60.7%) rather than ' Rome' (13.5%)?" in drawn.all
    assert "2 of 3 active features were tried; gradient and removal agree by r = 0.75" in drawn.all
    assert "everywhere" in drawn.all
    against = replace(EXPLANATION, effects=(replace(EXPLANATION.effects[0], logprob=1.0),))
    assert Drawn(against.shaded()).shades == [0, -0.55]


def test_a_long_text_is_drawn_in_part_and_says_so() -> None:
    many = tuple(replace(AS_IS[1], position=n) for n in range(1_200))
    long = replace(RESULT, branches=(replace(RESULT.branches[0], tokens=many),))
    drawn = Drawn(long._repr_html_())
    assert len(drawn.shades) == 1_000
    assert "and 200 more tokens" in drawn.all


def test_nothing_at_all_is_a_table_too() -> None:
    empty = replace(RESULT.branches[0], tokens=())
    assert empty.to_arrow().num_rows == len(empty.to_pandas()) == 0
    assert empty.to_arrow().schema.field("features").type.value_type.num_fields == 3
    assert Drawn(replace(RESULT, branches=(empty, empty))._repr_html_()).shades == []


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    for call in (RESULT.to_arrow, RESULT.to_pandas, lambda: RESULT.to_sparse("m/0-res")):
        with pytest.raises(axon.AxonError) as caught:
            call()
        assert "pip install 'axon-client[notebook]'" in caught.value.message
        assert "\n" not in caught.value.message


def test_what_a_package_itself_lacks_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError(name="numpy")

    monkeypatch.setattr(extras.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        extras.load("pyarrow", "notebook")


def test_the_types_of_the_columns_are_those_of_recordings() -> None:
    kinds = {field.name: field.type for field in RESULT.to_arrow().schema}
    source = pa.dictionary(pa.int32(), pa.string())
    feature = pa.struct(
        [("source", source), ("feature", pa.uint32()), ("activation", pa.float32())]
    )
    assert kinds["features"] == pa.list_(feature)
    assert kinds["logprob"] == pa.float32()
    assert kinds["position"] == pa.uint32()
