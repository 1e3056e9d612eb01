"""What results can do in a notebook, mixed into their types; `axon.notebook` does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from axon.notebook.html import Html
    from axon.types import Explanation, Result, Token


class Tokens:
    """Tokens with features, as tables. Each method raises AxonError if its package is missing."""

    __slots__ = ()

    def _all(self) -> tuple[Token, ...]:
        raise NotImplementedError

    def to_arrow(self) -> Any:
        """A pyarrow.Table with one row a token, all that is known of it.

        `features`, `saes`, `edited` and `alternatives` are lists of structs. `axon record` writes
        the same columns.
        """
        from axon.notebook import tables

        return tables.arrow(self._all())

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with one row a feature of a token; no feature: one row without."""
        from axon.notebook import tables

        return tables.pandas(self._all())

    def to_sparse(self, source: str, width: int | None = None) -> Any:
        """Activations of one source as a scipy.sparse.csr_array [tokens, features], float32.

        Rows are those of `to_arrow`. There are `width` columns, as `Source.width` says; None: up
        to the highest feature here. Features that the request did not ask for (`feat_k`,
        `act_threshold`) are missing: `saes.l0` says how many were active. Raises AxonError for a
        source without features here.
        """
        from axon.notebook import tables

        return tables.sparse(self._all(), source, width)


class Shaded(Tokens):
    """A whole generation, which a notebook draws."""

    __slots__ = ()

    def shaded(self, feature: str | None = None, labels: Mapping[str, str] | None = None) -> Html:
        """HTML of the text, each token shaded by a feature (SOURCE/INDEX) or by its strongest one.

        `labels` are texts by SOURCE/INDEX. Raises AxonError for a source that is not there.
        """
        from axon.notebook import html

        return html.generation(cast("Result", self), feature, labels)

    def _repr_html_(self) -> str:
        return self.shaded()


class Effects:
    """Effects of removals, as tables and drawn."""

    __slots__ = ()

    def to_arrow(self) -> Any:
        """A pyarrow.Table with one row an effect; `position` is null for all positions at once."""
        from axon.notebook import tables

        return tables.effects_arrow(cast("Explanation", self))

    def to_pandas(self) -> Any:
        """The same as a pandas.DataFrame."""
        from axon.notebook import tables

        return tables.effects_pandas(cast("Explanation", self))

    def shaded(self, labels: Mapping[str, str] | None = None) -> Html:
        """HTML of the text, each token shaded by the strongest removal there, and of the effects.

        `labels` are texts by SOURCE/INDEX.
        """
        from axon.notebook import html

        return html.explanation(cast("Explanation", self), labels)

    def _repr_html_(self) -> str:
        return self.shaded()
