"""A migration that destroys something stops a promotion before anything is changed, unless somebody took it upon himself."""

import pytest

from deployments.sandbox.sample.scenarios import Scenario
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]


def test_a_destructive_migration_that_nobody_acknowledged_is_rejected(stage: Stage) -> None:
    """The cause names revision, file and line, and the way round; the report has the plan; the world is as it was."""
    before = stage.world()
    stage.push(Scenario.UNSAFE_MIGRATION)

    told = stage.promote("test", stage.repository.merge("dev", "test"))

    *_, revision = told.result("plan_schema").revisions
    assert told.promotion.outcome == "rejected", told.cause
    assert revision.revision.startswith("drop_silently_")
    assert (
        f"migrations/versions/{revision.revision}.py:{revision.hazards[0].line}: revision {revision.revision}"
        in told.cause
    )
    assert "destroys for good: notes.legacy_" in told.cause
    assert "Expand and contract in two releases" in told.cause
    assert stage.world() == before
    assert told.state() == "Rejected"
    report = told.artifacts()["markdown"]
    assert "## Schema" in report
    assert "DROP COLUMN legacy_" in report


def test_an_acknowledged_one_is_released_and_what_it_destroys_is_copied(stage: Stage) -> None:
    """The report tells the command that brings it back."""
    stage.push(Scenario.LOSSY_MIGRATION)

    told = stage.promote("test", stage.repository.merge("dev", "test"))

    assert told.promotion.outcome == "released", told.cause
    copies = told.result("migrate").copies
    assert any(copy.of.startswith("notes.legacy_") for copy in copies)
    assert all(copy.restore in told.artifacts()["markdown"] for copy in copies)
