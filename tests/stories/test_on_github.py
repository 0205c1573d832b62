"""GitHub shows a promotion while it is under way; GitHub that goes away in the middle stops nothing, and learns the end later."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from deployments.sandbox import sandbox, webhook
from deployments.sandbox.sample.scenarios import Scenario
from deployments.sandbox.sample.service import GITHUB
from flows.recover import SHOWN_AGAIN
from promoter.ledger import changes, promotions
from promoter.ledger.changes import Asked
from promoter.ledger.connection import connect
from promoter.shell import run
from tests.github import GitHub, serving
from tests.stories.conftest import LOOK, PATIENCE, Stage

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


@pytest.fixture
def github(stage: Stage, tmp_path: Path) -> Iterator[GitHub]:
    """Return the GitHub on which the sandbox's service is shown; of what other stories promoted and checked there, it hears nothing."""
    assert stage.service.github == GITHUB
    with connect() as ledger:
        for known in (promotions, changes):
            for one in known.unshown(ledger, longest=SHOWN_AGAIN):
                known.shown(ledger, one.id)
    with serving(tmp_path / "github", GITHUB.repository, GITHUB.repository_id) as found:
        yield found


def test_a_github_that_goes_away_in_the_middle_learns_the_end_later(
    stage: Stage, running: sandbox.Sandbox, github: GitHub
) -> None:
    """The environment's page says `in_progress`, then nothing changes there, and then what runs; and nobody waited for it."""
    commit = stage.repository.commit(Scenario.GOOD, "test")
    stage.repository.push("test")
    environ = {**running.environ(), **github.variables}
    argv = [sys.executable, "-m", "tests.stories.directly", "promote_test", stage.service.name, "test", commit]
    with subprocess.Popen(argv, env=environ) as flow:
        wait(lambda: (commit, "in_progress") in github.shown().environment("staging"))
        before = github.shown().status(commit)
        with github.down():
            assert flow.wait(PATIENCE) == 0
            told = stage.promoted("test", commit)
            missed = github.shown()

    run([sys.executable, "-m", "deployments.cli", "recover"], env=environ, timeout=PATIENCE)

    assert before["promoter/sample-api/staging/run_checks"] == "success"
    assert before["promoter/sample-api/staging"] == "pending"
    assert told.promotion.outcome == "released"
    assert missed.environment("staging") == [(commit, "in_progress")]
    shown = github.shown()
    assert shown.environment("staging") == [(commit, "success")]
    assert set(shown.status(commit).values()) == {"success"}
    assert len(shown.status(commit)) == len(told.steps) + 1
    assert [one["tag_name"] for one in shown.releases] == [told.tag]


def test_a_pull_request_is_checked_by_itself_and_commented_on(
    stage: Stage, running: sandbox.Sandbox, github: GitHub
) -> None:
    """Webhook, gateway, event, automation, worker, comment; of a fork nothing runs until a maintainer says so, and nothing is left behind."""
    commit = stage.repository.commit(Scenario.NEW_MIGRATION, "feat/asked")
    stage.repository.push("feat/asked")
    before = stage.world()

    fork = webhook.request(running.remote, 8, "feat/asked", is_from_fork=True)
    opened = webhook.request(running.remote, 7, "feat/asked")
    asked = UUID(json.loads(opened.answer)["pull_requests"][stage.service.name])
    wait(lambda: check(asked).state is not None)
    run(
        [sys.executable, "-m", "deployments.cli", "recover"],
        env={**running.environ(), **github.variables},
        timeout=PATIENCE,
    )

    assert json.loads(fork.answer) == {"ignored": "without the label nothing of a fork is run"}
    assert check(asked).state == "success", check(asked).report
    (comment,) = github.shown().comments
    assert comment["issue_url"].endswith("/issues/7")
    assert f"check pull/7 {commit[:7]}: v" in comment["body"]
    assert "ALTER TABLE notes ADD COLUMN" in comment["body"]
    assert github.shown().status(commit) == {"promoter/sample-api/check": "success"}
    assert stage.world() == before


def check(asked: UUID) -> Asked:
    """Return a pull request as the ledger has it."""
    with connect() as ledger:
        return changes.get(ledger, asked)


def wait(look: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < deadline
        time.sleep(LOOK)
