"""Tokens and effects as Arrow tables, pandas frames and sparse matrices.

pyarrow, pandas and scipy are imported by the functions that need them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from axon import extras
from axon.errors import AxonError
from axon.types import Explanation, Token
from axon.v1 import inference_pb2 as pb

_EXTRA = "notebook"


class _Lists:
    """A column of lists of structs with a source and some numbers."""

    def __init__(self, **numbers: str) -> None:
        #: Where each row's list ends.
        self.ends = array("i", [0])
        #: Index of each element's source.
        self.source = array("i")
        self.numbers = {name: array(code) for name, code in numbers.items()}

    def end_row(self) -> None:
        """What was added since the last call is the list of one row."""
        self.ends.append(len(self.source))

    def column(self, sources: Any) -> Any:
        """list<struct<source: dictionary<string>, NAME: uint32 or float32, ...>>"""
        pa = extras.load("pyarrow", _EXTRA)
        source = pa.DictionaryArray.from_arrays(_buffer(pa, self.source), sources)
        columns = [source, *(_buffer(pa, values) for values in self.numbers.values())]
        structs = pa.StructArray.from_arrays(columns, names=["source", *self.numbers])
        return pa.ListArray.from_arrays(_buffer(pa, self.ends), structs)


class Rows:
    """Tokens on their way into an Arrow table, one row a token.

    Takes tokens of the client and of the wire, since both have the same names. `sources` may still
    be empty while messages are added, which count them.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._number = {source: number for number, source in enumerate(sources)}
        self._branch = array("I")
        self._position = array("I")
        self._token_id = array("I")
        self._token: list[str] = []
        self._generated: list[bool] = []
        self._logprob: list[float | None] = []
        self._alternatives: list[list[dict[str, Any]]] = []
        self._features = _Lists(feature="I", activation="f")
        self._saes = _Lists(l0="I", reconstruction_error="f")
        self._edited = _Lists(feature="I", before="f", after="f")

    def __len__(self) -> int:
        return len(self._token)

    def add(self, token: Token) -> None:
        """One more row, of a client's token."""
        numbers = [self._number[found.source] for found in token.source_features]
        self._add(token, token.generated, token.logprob, numbers)

    def add_message(self, token: pb.Token) -> None:
        """One more row, of a message whose sources are counted in the table's order."""
        logprob = token.logprob if token.HasField("logprob") else None
        numbers = [found.source for found in token.source_features]
        self._add(token, token.origin == pb.TOKEN_ORIGIN_GENERATED, logprob, numbers)

    def _add(
        self,
        token: Token | pb.Token,
        generated: bool,
        logprob: float | None,
        numbers: Iterable[int],
    ) -> None:
        self._branch.append(token.branch)
        self._position.append(token.position)
        self._token_id.append(token.token_id)
        self._token.append(token.text)
        self._generated.append(generated)
        self._logprob.append(logprob)
        features, saes = self._features, self._saes
        all_found: Iterable[Any] = token.source_features
        for number, found in zip(numbers, all_found, strict=True):
            ids = found.ids
            features.source.extend([number] * len(ids))
            features.numbers["feature"].extend(ids)
            features.numbers["activation"].extend(found.activations)
            saes.source.append(number)
            saes.numbers["l0"].append(found.l0)
            saes.numbers["reconstruction_error"].append(found.reconstruction_error)
            if found.edited:
                self._add_edited(number, found.edited)
        for column in (features, saes, self._edited):
            column.end_row()
        self._alternatives.append(
            [
                {"token_id": one.token_id, "token": one.text, "logprob": one.logprob}
                for one in token.alternatives
            ]
            if token.alternatives
            else []
        )

    def _add_edited(self, number: int, edited: Iterable[Any]) -> None:
        for one in edited:
            self._edited.source.append(number)
            for name, values in self._edited.numbers.items():
                values.append(getattr(one, name))

    def table(self, **first: array[Any]) -> Any:
        """The pyarrow.Table, with further columns before its own; no row can be added after that.

        Raises AxonError without pyarrow.
        """
        pa = extras.load("pyarrow", _EXTRA)
        sources = pa.array(self._sources, pa.string())
        alternative = pa.struct(
            [("token_id", pa.uint32()), ("token", pa.string()), ("logprob", pa.float32())]
        )
        return pa.table(
            {
                **{name: _buffer(pa, values) for name, values in first.items()},
                "branch": _buffer(pa, self._branch),
                "position": _buffer(pa, self._position),
                "token_id": _buffer(pa, self._token_id),
                "token": pa.array(self._token, pa.string()),
                "generated": pa.array(self._generated, pa.bool_()),
                "logprob": pa.array(self._logprob, pa.float32()),
                "features": self._features.column(sources),
                "saes": self._saes.column(sources),
                "edited": self._edited.column(sources),
                "alternatives": pa.array(self._alternatives, pa.list_(alternative)),
            }
        )


def _buffer(pa: Any, values: array[Any]) -> Any:
    """An Arrow array on the memory of one of Python's."""
    kind = {"I": pa.uint32(), "i": pa.int32(), "f": pa.float32()}[values.typecode]
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def arrow(tokens: Sequence[Token]) -> Any:
    """A pyarrow.Table with one row a token; see `Result.to_arrow`."""
    rows = Rows(_sources(tokens))
    for token in tokens:
        rows.add(token)
    return rows.table()


def pandas(tokens: Sequence[Token]) -> Any:
    """A pandas.DataFrame with one row a feature of a token; see `Result.to_pandas`."""
    pd = extras.load("pandas", _EXTRA)
    rows = [(*_about(token), *feature) for token in tokens for feature in _features(token)]
    names = ["branch", "position", "token_id", "token", "generated", "logprob"]
    frame = pd.DataFrame(rows, columns=[*names, "source", "feature", "activation"])
    kinds = {"logprob": "float64", "source": "category", "feature": "Int64"}
    return frame.astype({**kinds, "activation": "float64"})


def _about(token: Token) -> tuple[int, int, int, str, bool, float | None]:
    return (
        token.branch,
        token.position,
        token.token_id,
        token.text,
        token.generated,
        token.logprob,
    )


def _features(token: Token) -> list[tuple[str | None, int | None, float | None]]:
    """Its features, or a single one without anything."""
    return [
        (found.source, *pair)
        for found in token.source_features
        for pair in zip(found.ids, found.activations, strict=True)
    ] or [(None, None, None)]


def sparse(tokens: Sequence[Token], source: str, width: int | None) -> Any:
    """A scipy.sparse.csr_array [tokens, features]; see `Result.to_sparse`."""
    if source not in (known := _sources(tokens)):
        why = f"there are no features of {source!r} here, but of: {', '.join(known) or 'none'}"
        raise AxonError("INVALID_ARGUMENT", why)
    ids, activations, ends = array("q"), array("f"), array("q", [0])
    for token in tokens:
        for found in token.source_features:
            if found.source == source:
                ids.extend(found.ids)
                activations.extend(found.activations)
        ends.append(len(ids))
    least = max(ids, default=-1) + 1
    if width is not None and width < least:
        why = f"width is {width}, but feature {least - 1} of {source} is active"
        raise AxonError("INVALID_ARGUMENT", why)
    columns = least if width is None else width
    made = extras.load("scipy.sparse", _EXTRA).csr_array(
        (activations, ids, ends), shape=(len(tokens), columns), dtype="float32"
    )
    made.sort_indices()
    return made


def _sources(tokens: Iterable[Token]) -> list[str]:
    """Those that the tokens have features of, in the order in which they are told."""
    return list(dict.fromkeys(found.source for token in tokens for found in token.source_features))


def effects(found: Explanation) -> dict[str, list[Any]]:
    """Columns with one row an effect, the strongest first; see `Explanation.to_arrow`."""
    texts = {token.position: token.text for token in found.tokens}
    return {
        "position": [one.position for one in found.effects],
        "token": [None if one.position is None else texts[one.position] for one in found.effects],
        "source": [one.source for one in found.effects],
        "feature": [one.feature for one in found.effects],
        "activation": [one.activation for one in found.effects],
        "logprob": [one.logprob for one in found.effects],
        "logit": [one.logit for one in found.effects],
    }


def effects_arrow(found: Explanation) -> Any:
    """A pyarrow.Table of `effects`."""
    pa = extras.load("pyarrow", _EXTRA)
    kinds = [
        ("position", pa.uint32()),
        ("token", pa.string()),
        ("source", pa.string()),
        ("feature", pa.uint32()),
        *((name, pa.float32()) for name in ("activation", "logprob", "logit")),
    ]
    return pa.table(effects(found), schema=pa.schema(kinds))


def effects_pandas(found: Explanation) -> Any:
    """A pandas.DataFrame of `effects`."""
    frame = extras.load("pandas", _EXTRA).DataFrame(effects(found))
    return frame.astype({"position": "Int64", "source": "category"})
