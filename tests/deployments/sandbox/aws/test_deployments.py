"""The scheduler's decisions, without a scheduler."""

from datetime import UTC, datetime, timedelta

import pytest

from deployments.sandbox.aws.deployments import Plan, Standing, bounds, plan, rollback_target, threshold, trips
from deployments.sandbox.aws.state import Deployment, Document

CONFIGURATION: Document = {"minimumHealthyPercent": 100, "maximumPercent": 200}
BREAKER: Document = {**CONFIGURATION, "deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def deployment(number: str = "2", **changes: object) -> Deployment:
    """Return a deployment on its way."""
    made = Deployment(number, "arn:aws:ecs:r:1:task-definition/app:1", {}, 1)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def standing(name: str, *, number: str = "2", live: bool = True, healthy: bool = True) -> Standing:
    """Return a task that stands."""
    return Standing(name, f"ecs-svc/{number}", live, healthy)


@pytest.mark.parametrize(
    ("least", "most", "desired", "expected"),
    [
        pytest.param(100, 200, 2, (2, 4), id="the defaults"),
        pytest.param(50, 150, 3, (2, 4), id="one up, the other down"),
        pytest.param(0, 100, 1, (0, 1), id="stop first"),
    ],
)
def test_percentages_are_rounded_to_the_safe_side(
    least: int, most: int, desired: int, expected: tuple[int, int]
) -> None:
    """The minimum is rounded up and the maximum down."""
    assert bounds({"minimumHealthyPercent": least, "maximumPercent": most}, desired) == expected


@pytest.mark.parametrize(
    ("wanted", "desired", "expected"),
    [
        pytest.param({}, 1, 3, id="never below three"),
        pytest.param({}, 10, 5, id="half of the desired count"),
        pytest.param({}, 1000, 200, id="never above two hundred"),
        pytest.param({"type": "COUNT", "value": 1}, 10, 1, id="a count is taken as it is"),
        pytest.param({"type": "UNBOUNDED_PERCENT", "value": 10}, 10, 1, id="an unbounded percentage"),
    ],
)
def test_the_circuit_breaker_has_a_threshold(wanted: Document, desired: int, expected: int) -> None:
    """The threshold follows the desired count, within bounds, or what the service says."""
    assert threshold({"deploymentCircuitBreaker": {"thresholdConfiguration": wanted}}, desired) == expected


@pytest.mark.parametrize(
    ("one", "configuration", "expected"),
    [
        pytest.param(deployment(failures=3), BREAKER, True, id="three failures"),
        pytest.param(deployment(failures=2), BREAKER, False, id="two failures"),
        pytest.param(deployment(failures=9), CONFIGURATION, False, id="no breaker"),
        pytest.param(deployment(failures=9, returning=True), BREAKER, False, id="a rollback is not judged"),
        pytest.param(deployment(failures=9, rollout_state="COMPLETED"), BREAKER, False, id="completed"),
    ],
)
def test_the_circuit_breaker_trips(one: Deployment, configuration: Document, expected: bool) -> None:  # noqa: FBT001
    """It trips for a deployment on its way that failed often enough, and for no other."""
    assert trips(one, configuration, 1) is expected


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        pytest.param([], Plan(start=2), id="nothing runs"),
        pytest.param(
            [standing("a", number="1"), standing("b", number="1")],
            Plan(start=2),
            id="new ones start beside the old ones",
        ),
        pytest.param(
            [standing("a", number="1"), standing("b", number="1"), standing("c"), standing("d", healthy=False)],
            Plan(stop=("a",)),
            id="an old one goes for each new healthy one",
        ),
        pytest.param(
            [standing("a", number="1", live=False), standing("c"), standing("d")], Plan(), id="an old one still drains"
        ),
        pytest.param([standing("c"), standing("d")], Plan(complete=True), id="arrived"),
        pytest.param([standing("c"), standing("d", healthy=False)], Plan(), id="not healthy yet"),
        pytest.param(
            [standing("c"), standing("d", healthy=False), standing("e")],
            Plan(stop=("d",)),
            id="a sick surplus goes first",
        ),
        pytest.param(
            [standing("a", number="1", healthy=False), standing("b", number="1")],
            Plan(start=2, stop=("a",)),
            id="a sick old one goes at once",
        ),
    ],
)
def test_tasks_are_replaced_step_by_step(tasks: list[Standing], expected: Plan) -> None:
    """With two desired tasks, 100 % at least and 200 % at most, each situation has one next step."""
    assert plan(deployment(), tasks, CONFIGURATION, 2) == expected


def test_a_service_that_may_not_grow_stops_first() -> None:
    """With 0 % and 100 % the old task goes before the new one starts."""
    configuration = {"minimumHealthyPercent": 0, "maximumPercent": 100}
    old = standing("a", number="1")
    leaving = standing("a", number="1", live=False)

    steps = [plan(deployment(), tasks, configuration, 1) for tasks in ([old], [leaving], [standing("b")])]

    assert steps == [Plan(stop=("a",)), Plan(start=1), Plan(complete=True)]


def test_a_service_that_may_neither_grow_nor_shrink_is_stuck() -> None:
    """With 100 % and 100 % nothing can ever be replaced."""
    configuration = {"minimumHealthyPercent": 100, "maximumPercent": 100}

    assert plan(deployment(), [standing("a", number="1")], configuration, 1) == Plan(stuck=True)


def test_a_failed_deployment_is_left_as_it_stands() -> None:
    """Without a rollback nothing is started or stopped any more."""
    failed = deployment(rollout_state="FAILED")

    assert plan(failed, [standing("a", number="1"), standing("b", healthy=False)], CONFIGURATION, 2) == Plan()


def test_the_last_completed_deployment_is_rolled_back_to() -> None:
    """Of all that were ever completed the latest is taken; those that never were, and the failed one, are not."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    oldest, newest = deployment("1", completed=start), deployment("2", completed=start + timedelta(hours=1))
    superseded, failed = deployment("3"), deployment("4")

    found = [rollback_target([failed, superseded, newest, oldest], failed), rollback_target([failed], failed)]

    assert found == [newest, None]
