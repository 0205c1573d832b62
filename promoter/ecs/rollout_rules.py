"""Decides, from what ECS says alone, where a rollout stands and what the way back does next; pure."""

from typing import Literal

from promoter.ecs.state import Deployment, ServiceState
from promoter.records import Rollout

Standing = Literal["in progress", "completed", "failed", "rolled back", "replaced"]
Step = Literal["done", "wait", "stop", "update", "force", "hopeless", "replaced"]

PATIENCE = 15.0
"""Seconds that ECS gets to do what it accepted from us, before we ask again."""
BREAKER_PATIENCE = 5.0
"""Seconds that a circuit breaker gets to go back by itself; one without a completed deployment never does."""


def standing(state: ServiceState, rollout: Rollout) -> Standing:
    """Return where the deployment `rollout.deployment` stands.

    Success is never judged by a service that is stable: it is so again after a rollback, on the old definition.
    """
    mine, primary = state.deployment(rollout.deployment), state.primary
    if mine is not None and mine.rollout_state == "FAILED":
        return "failed"
    if mine is None or mine is not primary:
        back = primary is not None and primary.task_definition == rollout.before
        return "rolled back" if back else "replaced"
    return "completed" if _completed(state, mine) else "in progress"


def way_back(state: ServiceState, rollout: Rollout, *, leftovers: int, asked: frozenset[str], waited: float) -> Step:
    """Return the next step from `rollout.after` back to `rollout.before`.

    `leftovers` counts the tasks of `after` that are not yet STOPPED, `asked` holds the steps already taken, `waited` is the time
    in seconds since PRIMARY last changed or a step was taken. The answer depends on nothing else, so any two who go back at once,
    and the circuit breaker besides, end at the same place.
    """
    primary = state.primary
    if primary is not None and primary.task_definition == rollout.before:
        return _at_old(state, primary, rollout, leftovers, asked)
    if primary is None or primary.task_definition != rollout.after:
        return "replaced"
    if primary.rollout_state == "IN_PROGRESS" and "stop" not in asked:
        return "stop"
    if _completed(state, primary) and "update" not in asked:
        return "update"
    return "update" if waited >= (PATIENCE if asked else BREAKER_PATIENCE) else "wait"


def _at_old(state: ServiceState, old: Deployment, rollout: Rollout, leftovers: int, asked: frozenset[str]) -> Step:
    if old.rollout_state == "FAILED":
        return "hopeless" if "force" in asked else "force"
    if not _completed(state, old):
        return "wait"
    new_is_gone = rollout.before == rollout.after or leftovers == 0
    return "done" if new_is_gone else "wait"


def _completed(state: ServiceState, one: Deployment) -> bool:
    """Say whether the PRIMARY deployment `one` is complete; behind a Classic Load Balancer its counts have to tell."""
    if one.rollout_state is None:
        return len(state.deployments) == 1 and one.running == one.desired and one.pending == 0
    return one.rollout_state == "COMPLETED"
