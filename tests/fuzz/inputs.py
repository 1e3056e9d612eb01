"""The decorator `@fuzz(strategy)`: it calls a test with many drawn inputs.

AXON_FUZZ_INPUTS sets their number (default: 200). Without AXON_FUZZ_SEED all runs draw the same.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

#: How many inputs each kind gets.
INPUTS = int(os.environ.get("AXON_FUZZ_INPUTS", "200"))
_SEED = os.environ.get("AXON_FUZZ_SEED")

#: How many inputs each kind's tests have got.
given_inputs: Counter[str] = Counter()


def fuzz(
    strategy: st.SearchStrategy[Any], *, batch: int = 1, share: float = 1.0
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Calls a test with `drawn`: one input from `strategy`, or a list of `batch` inputs.

    `share` is this test's part of its kind's inputs. Hypothesis shrinks a single input that fails.
    It does not shrink a batch, since each try costs a connection or more.
    """
    drawn = st.lists(strategy, min_size=batch, max_size=batch) if batch > 1 else strategy
    phases = {Phase.explicit, Phase.generate} | ({Phase.shrink} if batch == 1 else set())
    chosen = settings(
        max_examples=max(1, round(INPUTS * share / batch)),
        derandomize=_SEED is None,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        kind = test.__module__.rpartition(".")[2].removeprefix("test_")

        @functools.wraps(test)
        def counted(**named: Any) -> None:
            given_inputs[kind] += batch
            test(**named)

        wrapped: Any = chosen(given(drawn=drawn)(counted))
        return seed(int(_SEED))(wrapped) if _SEED is not None else wrapped

    return decorate
