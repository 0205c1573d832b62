"""What a pull request gets: everything is tried, and nothing is left behind."""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from deployments import cli, runs
from deployments.sandbox import sandbox
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sample.service import to_toml
from promoter.config import Service
from promoter.errors import ChecksError
from promoter.ledger.connection import connect
from promoter.settings import Settings
from tests.stories.conftest import Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


TABLES = ("pushes", "promotions", "steps", "versions", "environments")


def test_a_change_is_tried_and_nothing_is_left_behind(stage: Stage, running: sandbox.Sandbox) -> None:
    """Also for a service that has no environment at all: no credentials are asked for. The number is the one of the merge."""
    service = without_environments(stage.service)
    commit = change(stage, "feat/tried", Scenario.NEW_MIGRATION)
    before = (stage.world(), traces(running))

    run = runs.check(service, "feat/tried", None, "dev")

    assert runs.wait(run)["type"] == "COMPLETED"
    assert (stage.world(), traces(running)) == before
    told = stage.promote("dev", stage.repository.merge("feat/tried", "dev"))
    title, report = f"check feat/tried {commit[:7]}: {told.tag}", runs.report(run)
    assert name(run) == title
    assert report.startswith(f"# {title}: passed")
    assert "not pushed" in report
    assert "rehearsal lossless: Schema and rows came back" in report
    assert "ALTER TABLE notes ADD COLUMN" in report
    assert "locks notes: ACCESS EXCLUSIVE, reads and writes wait" in report


def test_a_change_that_breaks_a_test_fails_with_its_name(stage: Stage, running: sandbox.Sandbox) -> None:
    """The other parts are told all the same."""
    change(stage, "feat/broken", Scenario.FAILING_TEST)
    before = (stage.world(), traces(running))

    run = runs.check(stage.service, "feat/broken", None, "dev")

    ended, report = runs.wait(run), runs.report(run)
    assert (ended["type"], "tests fail" in ended["message"]) == ("FAILED", True)
    assert ": failed" in report
    assert "test_notes::" in report
    assert "not pushed" in report
    assert "nothing is pending" in report
    assert (stage.world(), traces(running)) == before


def test_the_command_shows_the_report(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """A change with a stale lock file is not fit to be merged, and the command says so."""
    change(stage, "feat/stale", Scenario.STALE_LOCK)

    assert cli.main(["check", stage.service.name, "feat/stale"]) == ChecksError.exit_code

    said = capsys.readouterr()
    assert "poetry.lock" in said.out
    assert "feat/stale is not fit to be merged into dev" in said.err


def change(stage: Stage, branch: str, scenario: Scenario) -> str:
    """Push a commit on a branch of its own and return it."""
    commit = stage.repository.commit(scenario, branch)
    stage.repository.push(branch)
    return commit


def without_environments(service: Service) -> Service:
    """Return a service like `service` of which only `dev` is known, and write its file."""
    parts: dict[str, Any] = {
        "name": "no-environments",
        "github": None,
        "branches": service.branches[:1],
        "environments": {},
    }
    changed = service.model_copy(update=parts)
    (Settings().services / "no-environments.toml").write_text(to_toml(changed))
    return changed


def traces(running: sandbox.Sandbox) -> tuple[set[Path], list[Any]]:
    """Return every file of the registry, and all that the ledger says of numbers, promotions and environments."""
    with connect() as ledger:
        rows = [ledger.execute("SELECT * FROM " + table).fetchall() for table in TABLES]
    return set((running.folder / "registry").rglob("*")), rows


def name(run: UUID) -> str:
    """Return what a flow run is called."""
    with httpx.Client(base_url=os.environ["PREFECT_API_URL"]) as client:
        return str(client.get(f"/flow_runs/{run}").json()["name"])
