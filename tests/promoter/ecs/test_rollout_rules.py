"""Where a rollout stands, and what the way back does next, as tables."""

import pytest

from promoter.ecs.rollout_rules import BREAKER_PATIENCE, PATIENCE, Standing, Step, standing, way_back
from promoter.ecs.state import Deployment, ServiceState
from promoter.records import Rollout

OLD, NEW, OTHER = (f"arn:aws:ecs:us-east-2:1:task-definition/app:{revision}" for revision in (40, 41, 42))
ROLLOUT = Rollout(before=OLD, after=NEW, deployment="ecs-svc/new")
IDS = {OLD: "ecs-svc/old", NEW: "ecs-svc/new", OTHER: "ecs-svc/other"}


def state(*deployments: tuple[str, str | None], running: int = 2) -> ServiceState:
    """Return a service with these (definition, rollout state) deployments, the first of them PRIMARY."""
    return ServiceState(
        name="svc",
        status="ACTIVE",
        desired_count=2,
        task_definition=deployments[0][0] if deployments else "",
        deployments=tuple(
            Deployment(IDS[definition], "ACTIVE" if place else "PRIMARY", definition, rollout, "", 2, running, 0, 0)
            for place, (definition, rollout) in enumerate(deployments)
        ),
        controller="ECS",
        strategy="ROLLING",
        breaker=True,
        breaker_rolls_back=True,
        events=(),
    )


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(state((NEW, "IN_PROGRESS"), (OLD, "COMPLETED")), "in progress", id="rolling"),
        pytest.param(state((NEW, "COMPLETED")), "completed", id="complete"),
        pytest.param(state((NEW, "FAILED"), (OLD, "COMPLETED")), "failed", id="the breaker broke and stalls"),
        pytest.param(state((OLD, "IN_PROGRESS"), (NEW, "FAILED")), "failed", id="the breaker goes back"),
        pytest.param(state((OLD, "COMPLETED")), "rolled back", id="stable, but on the old definition"),
        pytest.param(state((OLD, "IN_PROGRESS"), (NEW, "IN_PROGRESS")), "rolled back", id="stopped"),
        pytest.param(state((OTHER, "IN_PROGRESS"), (NEW, "IN_PROGRESS")), "replaced", id="somebody deployed over it"),
        pytest.param(state((OTHER, "COMPLETED")), "replaced", id="somebody deployed over it long ago"),
        pytest.param(state(), "replaced", id="the service is gone"),
        pytest.param(state((NEW, None), (OLD, None)), "in progress", id="Classic Load Balancer, rolling"),
        pytest.param(state((NEW, None), running=1), "in progress", id="Classic Load Balancer, one task missing"),
        pytest.param(state((NEW, None)), "completed", id="Classic Load Balancer, complete"),
    ],
)
def test_where_a_rollout_stands(seen: ServiceState, expected: Standing) -> None:
    """The deployment's own id decides, never whether the service is stable."""
    assert standing(seen, ROLLOUT) == expected


@pytest.mark.parametrize(
    ("seen", "leftovers", "asked", "waited", "expected"),
    [
        pytest.param(state((OLD, "COMPLETED")), 0, "", 0, "done", id="all is old"),
        pytest.param(state((OLD, "COMPLETED")), 1, "", 99, "wait", id="a new task is not yet stopped"),
        pytest.param(state((OLD, "IN_PROGRESS"), (NEW, "FAILED")), 0, "", 99, "wait", id="the breaker goes back"),
        pytest.param(state((OLD, "FAILED")), 0, "", 0, "force", id="the way back failed"),
        pytest.param(state((OLD, "FAILED")), 0, "force", 0, "hopeless", id="the way back failed twice"),
        pytest.param(state((NEW, "IN_PROGRESS"), (OLD, "COMPLETED")), 2, "", 0, "stop", id="rolling"),
        pytest.param(state((NEW, "IN_PROGRESS")), 2, "stop", 1, "wait", id="stopped a moment ago"),
        pytest.param(state((NEW, "IN_PROGRESS")), 2, "stop", PATIENCE, "update", id="stopping led nowhere"),
        pytest.param(state((NEW, "FAILED")), 2, "", 0, "wait", id="the breaker may act"),
        pytest.param(
            state((NEW, "FAILED")), 2, "", BREAKER_PATIENCE, "update", id="the breaker has nothing to go back to"
        ),
        pytest.param(state((NEW, "COMPLETED")), 2, "", 0, "update", id="complete, but not healthy"),
        pytest.param(state((NEW, "COMPLETED")), 2, "update", 1, "wait", id="updated a moment ago"),
        pytest.param(state((NEW, "COMPLETED")), 2, "update", PATIENCE, "update", id="the update was lost"),
        pytest.param(state((OTHER, "IN_PROGRESS")), 0, "", 0, "replaced", id="somebody deployed something else"),
        pytest.param(state(), 0, "", 0, "replaced", id="the service is gone"),
    ],
)
def test_what_the_way_back_does_next(
    seen: ServiceState, leftovers: int, asked: str, waited: float, expected: Step
) -> None:
    """It depends on what ECS says, and never fights a circuit breaker that is on its way."""
    taken = frozenset(asked.split())

    assert way_back(seen, ROLLOUT, leftovers=leftovers, asked=taken, waited=waited) == expected
