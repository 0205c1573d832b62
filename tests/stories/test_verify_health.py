"""The clock's look at every environment: what drifts is told, goes no further, and is trusted again when it is mended."""

from pathlib import Path

import pytest

from deployments import cli, runs
from deployments.sandbox import remote
from deployments.sandbox.sample.scenarios import Scenario
from promoter.errors import HealthError
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


def test_what_is_no_longer_as_it_was_released_is_promoted_no_further(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """A git tag that somebody took away: the table, the state and the status say so, until it is there again."""
    stage.push(Scenario.GOOD)
    released = stage.promote("test", stage.repository.merge("dev", "test"))
    repository, tag = Path(stage.service.repository), f"refs/tags/{released.tag}"
    assert verified(stage)["name"] == "Well"
    annotated = remote.git(repository, "rev-parse", tag).stdout.strip()
    remote.git(repository, "update-ref", "-d", tag)

    looked = verified(stage)
    refused = stage.promote("main", stage.repository.merge("test", "main"))
    cli.main(["status", "staging", "--service", stage.service.name])

    assert cli.main(["verify"]) == HealthError.exit_code
    assert looked["name"] == "Unwell"
    assert looked["message"].endswith("unwell: sample-api/staging")
    assert refused.promotion.outcome == "rejected"
    for told in (refused.cause, capsys.readouterr().out):
        assert f"git tag {released.tag}: none, released was" in " ".join(told.replace("│", " ").split())
    remote.git(repository, "update-ref", tag, annotated)
    assert cli.main(["verify"]) == 0
    assert "unwell: none" in capsys.readouterr().out


def verified(stage: Stage) -> dict[str, str]:
    """Look at the service as the clock does, and return the state in which that ends."""
    return runs.wait(runs.start("verify-health", "verify-health", {"service": stage.service.name}))
