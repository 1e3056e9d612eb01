"""A short soak: each service is killed while viewers watch, and no viewer misses a frame."""

from __future__ import annotations

import pytest

from . import report, trial

#: Gateway A, gateway B and Redis once each, and a gateway again.
SHORT = trial.Plan(seconds=40, every=8, viewers=60, generating=4, seed=1)


@pytest.mark.nightly
@pytest.mark.timeout(180)
async def test_no_viewer_misses_a_frame_when_services_are_killed() -> None:
    outcome = await trial.run(SHORT)
    result = report.document(outcome)
    failures = report.failures(result)
    assert not failures, [*failures, *report.words(outcome), result]
    assert set(result["kills"]) == {"gateway A", "gateway B", "redis"}
    assert result["reconnects"] > 0
    assert result["generations_ended"]["finished"] > 0
