"""Good v1, broken v2, v1 is up: whatever is wrong with a release, its environment is left whole, and the reason is told."""

from dataclasses import dataclass, replace

import pytest

from deployments.demo.story import ERROR, World
from deployments.sandbox.sample.scenarios import Scenario
from promoter import remotes
from promoter.ledger.promotions import Outcome
from tests.stories.conftest import Stage, Told

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.slow]

STATES: dict[Outcome | None, str] = {"rolled_back": "RolledBack", "schema_kept": "SchemaKept", "rejected": "Rejected"}


@dataclass(frozen=True)
class Plot:
    """What is pushed to `test`, and what has to come of it."""

    scenarios: tuple[Scenario, ...]
    outcome: Outcome
    causes: tuple[str, ...]
    """What the cause has to name."""


PLOTS = (
    Plot((Scenario.CRASH_AT_START,), "rolled_back", ("exit code 3", "SIGNING_KEY is not set")),
    Plot((Scenario.WRONG_VERSION,), "rolled_back", ("version 'v1.0.0', expected v1.",)),
    Plot((Scenario.EMPTY_VERSION,), "rolled_back", ("no version in",)),
    Plot((Scenario.LOSES_DATABASE,), "rolled_back", ("503",)),
    Plot((Scenario.HANGS,), "rolled_back", ("health",)),
    Plot((Scenario.FAILING_TEST,), "rejected", ("test_notes", "newest")),
    Plot((Scenario.STALE_LOCK,), "rejected", ("poetry.lock",)),
    Plot((Scenario.BROKEN_MIGRATION,), "rejected", ("name_owners_", "no owner is known for the notes of dev")),
    Plot((Scenario.NEW_MIGRATION, Scenario.HEALTH_500), "rolled_back", (ERROR,)),
    Plot((Scenario.LOSSY_MIGRATION, Scenario.HEALTH_500), "schema_kept", (ERROR, "schema")),
    Plot((Scenario.IRREVERSIBLE, Scenario.HEALTH_500), "schema_kept", (ERROR, "schema")),
)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: "-and-".join(plot.scenarios))
def test_a_broken_release_leaves_the_old_one_up(stage: Stage, plot: Plot) -> None:
    """The old version serves from the old task definition, nothing bears the new name, and the cause names what happened."""
    before = stage.world()

    told = release(stage, *plot.scenarios)

    after = stage.world()
    assert told.promotion.outcome == plot.outcome, told.cause
    assert [cause for cause in plot.causes if cause not in told.cause] == [], told.cause
    assert settled(after, told) == settled(before, told)
    assert after.environments["staging"].healthy
    assert (schema(after) == schema(before)) is (plot.outcome != "schema_kept")
    assert remotes.tagged(stage.service.repository, told.tag) is None
    assert (after.digest_of(stage.service, told.tag) is None) is (plot.outcome == "rejected")
    assert told.state() == STATES[plot.outcome]
    assert plot.outcome in told.artifacts()["markdown"]


def test_a_slow_start_is_released(stage: Stage) -> None:
    """Slow is not broken: nobody gives up while there is time."""
    told = release(stage, Scenario.SLOW_START)

    assert told.promotion.outcome == "released", told.cause
    assert stage.world().environments["staging"].version == told.tag


def release(stage: Stage, *scenarios: Scenario) -> Told:
    """Push `scenarios` as one release to `test` and promote it to its end."""
    stage.push(*scenarios)
    return stage.promote("test", stage.repository.merge("dev", "test"))


def settled(world: World, told: Told) -> World:
    """Return what has to be as it was before; a schema that is kept is looked at on its own."""
    if told.promotion.outcome != "schema_kept":
        return world
    staging = replace(world.environments["staging"], heads=())
    return replace(world, environments={**world.environments, "staging": staging})


def schema(world: World) -> tuple[str, ...]:
    """Return the revisions of the staging database."""
    return world.environments["staging"].heads
