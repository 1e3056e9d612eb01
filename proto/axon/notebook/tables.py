"""Tokens and effects as Arrow tables, pandas frames and sparse matrices.

pyarrow, pandas and scipy are imported by the functions that need them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from axon import extras
from axon.errors import AxonError
from axon.types import Explanation, Token
from axon.v1 import inference_pb2 as pb

_EXTRA = "notebook"


class _Texts:
    """A column of texts."""

    def __init__(self) -> None:
        self.ends = array("i", [0])
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self.ends) - 1

    def append(self, text: str) -> None:
        self._bytes += text.encode()
        self.ends.append(len(self._bytes))

    def column(self, pa: Any) -> Any:
        """string"""
        ends, texts = pa.py_buffer(self.ends), pa.py_buffer(self._bytes)
        return pa.StringArray.from_buffers(len(self), ends, texts)


class _Lists:
    """A column of lists of structs, with numbers and texts ("s") as their fields.

    A field `source` has the index of a source.
    """

    def __init__(self, **kinds: str) -> None:
        #: Where each row's list ends.
        self.ends = array("i", [0])
        self.fields: dict[str, Any] = {
            name: _Texts() if kind == "s" else array(kind) for name, kind in kinds.items()
        }
        self._first = next(iter(self.fields.values()))

    def append(self, **fields: Any) -> None:
        """One more struct."""
        for name, value in fields.items():
            self.fields[name].append(value)

    def end_row(self) -> None:
        """What was added since the last call is the list of one row."""
        self.ends.append(len(self._first))

    def column(self, pa: Any, sources: Any) -> Any:
        """list<struct<source: dictionary<string>, NAME: uint32, float32 or string, ...>>"""
        fields = {name: _column(pa, values) for name, values in self.fields.items()}
        return _lists(pa, _column(pa, self.ends), fields, sources)


class Rows:
    """Tokens on their way into an Arrow table, one row a token.

    Takes tokens of the client and of the wire, since both have the same names. `sources` may still
    be empty while messages are added, which count them.

    All is kept as Arrow keeps it: making an array of Python's objects would import pandas if it is
    there, which takes a second in the middle of a recording, and keep objects until then.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._number = {source: number for number, source in enumerate(sources)}
        self._branch = array("I")
        self._position = array("I")
        self._token_id = array("I")
        self._token = _Texts()
        self._generated = array("B")
        self._logprob = array("f")
        self._has_logprob = array("B")
        self._alternatives = _Lists(token_id="I", token="s", logprob="f")
        self._saes = _Lists(source="i", l0="I", reconstruction_error="f")
        self._edited = _Lists(source="i", feature="I", before="f", after="f")
        self._feature = array("I")
        self._activation = array("f")
        #: Where the features of each element of `_saes` end. There are so many features that all
        #: else about them is worked out for a whole table.
        self._ends = array("i", [0])

    def __len__(self) -> int:
        return len(self._token)

    def add(self, tokens: Sequence[Token]) -> None:
        """More rows, of a client's tokens."""
        found = [one for token in tokens for one in token.source_features]
        numbers = [self._number[one.source] for one in found]
        generated = [token.generated for token in tokens]
        self._add(tokens, found, numbers, generated, [token.logprob for token in tokens])

    def add_messages(self, tokens: Sequence[pb.Token]) -> None:
        """More rows, of messages whose sources are counted in the table's order."""
        found = [one for token in tokens for one in token.source_features]
        numbers = [one.source for one in found]
        generated = [token.origin == pb.TOKEN_ORIGIN_GENERATED for token in tokens]
        logprobs = [token.logprob if token.HasField("logprob") else None for token in tokens]
        self._add(tokens, found, numbers, generated, logprobs)

    def _add(
        self,
        tokens: Sequence[Token | pb.Token],
        all_found: Sequence[Any],
        numbers: Sequence[int],
        generated: Sequence[bool],
        logprobs: Sequence[float | None],
    ) -> None:
        # Column by column: a server gives thousands of tokens a second, and shares the processor.
        self._branch.extend([token.branch for token in tokens])
        self._position.extend([token.position for token in tokens])
        self._token_id.extend([token.token_id for token in tokens])
        self._generated.extend(generated)
        self._logprob.extend([one or 0 for one in logprobs])
        self._has_logprob.extend([one is not None for one in logprobs])
        saes, features, activations = self._saes.fields, self._feature, self._activation
        saes["source"].extend(numbers)
        saes["l0"].extend([found.l0 for found in all_found])
        saes["reconstruction_error"].extend([found.reconstruction_error for found in all_found])
        for found in all_found:
            # As a list, a message's numbers take less time than one by one.
            features.extend(found.ids[:])
            activations.extend(found.activations[:])
            self._ends.append(len(features))
        of_tokens = zip(numbers, all_found, strict=True)
        for token in tokens:
            self._token.append(token.text)
            count = len(token.source_features)
            self._saes.ends.append(self._saes.ends[-1] + count)
            for number, found in islice(of_tokens, count):
                if found.edited:
                    self._add_edited(number, found.edited)
            self._edited.end_row()
            for one in token.alternatives:
                self._alternatives.append(
                    token_id=one.token_id, token=one.text, logprob=one.logprob
                )
            self._alternatives.end_row()

    def _add_edited(self, number: int, edited: Iterable[Any]) -> None:
        for one in edited:
            changed = {"feature": one.feature, "before": one.before, "after": one.after}
            self._edited.append(source=number, **changed)

    def table(self, **first: array[Any]) -> Any:
        """The pyarrow.Table, with further columns before its own; no row can be added after that.

        Raises AxonError without pyarrow.
        """
        pa = extras.load("pyarrow", _EXTRA)
        names = _Texts()
        for source in self._sources:
            names.append(source)
        sources = names.column(pa)
        known = _column(pa, self._has_logprob).cast(pa.bool_()).buffers()[1]
        return pa.table(
            {
                **{name: _column(pa, values) for name, values in first.items()},
                "branch": _column(pa, self._branch),
                "position": _column(pa, self._position),
                "token_id": _column(pa, self._token_id),
                "token": self._token.column(pa),
                "generated": _column(pa, self._generated).cast(pa.bool_()),
                "logprob": _column(pa, self._logprob, known),
                "features": self._features(pa, sources),
                "saes": self._saes.column(pa, sources),
                "edited": self._edited.column(pa, sources),
                "alternatives": self._alternatives.column(pa, sources),
            }
        )

    def _features(self, pa: Any, sources: Any) -> Any:
        """list<struct<source: dictionary<string>, feature: uint32, activation: float>>"""
        pc = extras.load("pyarrow.compute", _EXTRA)
        ends, features = _column(pa, self._ends), _column(pa, self._feature)
        saes = pc.list_parent_indices(pa.ListArray.from_arrays(ends, features))
        source = _column(pa, self._saes.fields["source"]).take(saes)
        activation = _column(pa, self._activation)
        fields = {"source": source, "feature": features, "activation": activation}
        return _lists(pa, ends.take(_column(pa, self._saes.ends)), fields, sources)


def _lists(pa: Any, ends: Any, fields: dict[str, Any], sources: Any) -> Any:
    if "source" in fields:
        fields["source"] = pa.DictionaryArray.from_arrays(fields["source"], sources)
    structs = pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
    return pa.ListArray.from_arrays(ends, structs)


def _column(pa: Any, values: Any, known: Any = None) -> Any:
    """An Arrow array on the memory of one of Python's; `known` has a bit for each that is one."""
    if isinstance(values, _Texts):
        return values.column(pa)
    kind = {"I": pa.uint32(), "i": pa.int32(), "f": pa.float32(), "B": pa.uint8()}
    return pa.Array.from_buffers(kind[values.typecode], len(values), [known, pa.py_buffer(values)])


def arrow(tokens: Sequence[Token]) -> Any:
    """A pyarrow.Table with one row a token; see `Result.to_arrow`."""
    rows = Rows(_sources(tokens))
    rows.add(tokens)
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
