"""A migration that destroys something stops a promotion before anything is changed, unless somebody took it upon himself."""

import pytest

from deployments import cli
from deployments.sandbox.sample.scenarios import Scenario
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]


def test_a_destructive_migration_that_nobody_acknowledged_is_rejected(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `promoter plan` says beforehand. The cause names revision, file and line, and the way round; the world is as it was."""
    before = stage.world()
    stage.push(Scenario.UNSAFE_MIGRATION)
    commit = stage.repository.merge("dev", "test")
    assert cli.main(["plan", "test", "--service", stage.service.name]) == 0
    planned = capsys.readouterr().out

    told = stage.promote("test", commit)

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
    for text in (report, planned):
        assert "DROP COLUMN legacy_" in text
        assert "destructive (not acknowledged)" in text
    assert planned.startswith("schema: ")
    assert "this release can be rolled back: " in planned


def test_an_acknowledged_one_is_released_and_what_it_destroys_is_copied(stage: Stage) -> None:
    """The report tells the command that brings it back."""
    stage.push(Scenario.LOSSY_MIGRATION)

    told = stage.promote("test", stage.repository.merge("dev", "test"))

    assert told.promotion.outcome == "released", told.cause
    copies = told.result("migrate").copies
    assert any(copy.of.startswith("notes.legacy_") for copy in copies)
    assert all(copy.restore in told.artifacts()["markdown"] for copy in copies)
