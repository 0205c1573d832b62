"""Pushes that want one environment at once: the newest is promoted, the others end as superseded; what was taken back is held."""

import pytest

from deployments import runs
from deployments.sandbox.sample.scenarios import Scenario
from tests.stories.conftest import Stage, Told

pytestmark = [pytest.mark.xdist_group("other sandbox"), pytest.mark.slow]


def test_of_three_quick_pushes_the_newest_is_promoted(stage: Stage) -> None:
    """The others end as superseded, by name, and never touched the environment."""
    commits = [push(stage, Scenario.GOOD) for _ in range(3)]
    started = [runs.promote(stage.service, "test", commit) for commit in commits]

    told = [stage.wait(run) for run in started]

    assert [one.promotion.outcome for one in told] == ["superseded", "superseded", "released"]
    assert [one.state() for one in told] == ["Superseded", "Superseded", "Completed"]
    assert [changed(one) for one in told] == [False, False, True]
    assert stage.world().environments["staging"].version == told[-1].tag


def test_a_commit_that_was_rolled_back_waits_for_a_person(stage: Stage) -> None:
    """By itself it is rejected before its tests; forced it is tried again."""
    commit = push(stage, Scenario.CRASH_AT_START)
    first, again = stage.promote("test", commit), stage.promote("test", commit)
    forced = stage.wait(runs.promote(stage.service, "test", commit, by="ann", force=True))

    assert [one.promotion.outcome for one in (first, again, forced)] == ["rolled_back", "rejected", "rolled_back"]
    assert again.steps == ()
    assert f"its promotion {first.promotion.id} to staging ended as rolled_back" in again.cause
    assert again.state() == "Rejected"
    assert (forced.promotion.by, first.promotion.by) == ("ann", "Prefect")


def push(stage: Stage, scenario: Scenario) -> str:
    """Push a commit of its own to `test` by way of `dev`, and return it."""
    stage.push(scenario)
    return stage.repository.merge("dev", "test")


def changed(told: Told) -> bool:
    """Say whether a promotion meant to change its environment."""
    return any(step.stage in {"migrate", "register", "roll_out"} for step in told.steps)
