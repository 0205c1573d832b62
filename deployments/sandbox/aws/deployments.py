"""Decides what a service does next: which tasks to start and stop, and when a deployment is completed or has failed. Pure.

Source: Amazon ECS developer guide, "Deploy Amazon ECS services by replacing tasks" and "How the Amazon ECS deployment
circuit breaker detects failures".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployments.sandbox.aws.state import Deployment, Document

LEAST_FAILURES, MOST_FAILURES = 3, 200
"""The bounds of the circuit breaker's threshold."""


@dataclass(frozen=True)
class Standing:
    """A task of the service that is not STOPPED."""

    id: str
    deployment: str
    """Id of the deployment that started it."""
    live: bool
    """Whether it is meant to run; a task that drains or stops is not."""
    healthy: bool
    """RUNNING, and healthy for container checks and load balancer."""


@dataclass(frozen=True)
class Plan:
    """What to do now."""

    start: int = 0
    """How many tasks of the primary deployment to start."""
    stop: tuple[str, ...] = ()
    """Ids of the tasks to stop."""
    complete: bool = False
    """Whether the primary deployment has arrived."""
    stuck: bool = False
    """Whether the percentages allow neither a start nor a stop, ever."""


def bounds(configuration: Document, desired: int) -> tuple[int, int]:
    """Return how many tasks have to be healthy, rounded up, and how many may run, rounded down."""
    least, most = configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    return math.ceil(desired * least / 100), desired * int(most) // 100


def threshold(configuration: Document, desired: int) -> int:
    """Return after how many failed tasks in a row the circuit breaker trips."""
    wanted = (configuration.get("deploymentCircuitBreaker") or {}).get("thresholdConfiguration") or {}
    kind, value = wanted.get("type", "BOUNDED_PERCENT"), wanted.get("value", 50)
    if kind == "COUNT":
        return max(1, int(value))
    limit: int = math.ceil(desired * value / 100)
    return max(1, limit) if kind == "UNBOUNDED_PERCENT" else min(max(limit, LEAST_FAILURES), MOST_FAILURES)


def trips(deployment: Deployment, configuration: Document, desired: int) -> bool:
    """Return whether the circuit breaker ends this deployment now."""
    on = (configuration.get("deploymentCircuitBreaker") or {}).get("enable", False)
    judged = deployment.rollout_state == "IN_PROGRESS" and not deployment.returning
    return bool(on and judged and deployment.failures >= threshold(configuration, desired))


def resets(configuration: Document) -> bool:
    """Return whether a healthy task sets the count of failed ones back to none."""
    return bool((configuration.get("deploymentCircuitBreaker") or {}).get("resetOnHealthyTask", True))


def rollback_target(history: Sequence[Deployment], failed: Deployment) -> Deployment | None:
    """Return the most recently completed deployment other than `failed`, or None: then nothing is rolled back."""
    candidates = [one for one in history if one is not failed and one.completed]
    return max(candidates, key=lambda one: one.completed or datetime.min.replace(tzinfo=UTC), default=None)


def plan(primary: Deployment, tasks: Sequence[Standing], configuration: Document, desired: int) -> Plan:
    """Return the next step of a rolling deployment; a failed one is left as it stands."""
    if primary.rollout_state == "FAILED":
        return Plan()
    new = [task for task in tasks if task.deployment == primary.id and task.live]
    old = [task for task in tasks if task.deployment != primary.id and task.live]
    start = _starts(len(new), len(old), configuration, desired)
    stop = (*_surplus(new, desired), *_replaced(new, old, configuration, desired))
    arrived = [task for task in tasks if task.healthy and task.live] == list(tasks) == new and len(new) == desired
    return Plan(
        start=start,
        stop=stop,
        complete=arrived and primary.rollout_state == "IN_PROGRESS",
        stuck=not start and not stop and len(new) < desired and all(task.healthy for task in (*new, *old)),
    )


def _starts(new: int, old: int, configuration: Document, desired: int) -> int:
    _, most = bounds(configuration, desired)
    return max(0, min(desired - new, most - new - old))


def _surplus(new: Sequence[Standing], desired: int) -> tuple[str, ...]:
    """Return the tasks of the primary deployment that are too many, sick ones first."""
    ordered = sorted(new, key=lambda task: task.healthy)
    return tuple(task.id for task in ordered[: max(0, len(new) - desired)])


def _replaced(
    new: Sequence[Standing], old: Sequence[Standing], configuration: Document, desired: int
) -> tuple[str, ...]:
    """Return the old tasks that may go: sick ones always, healthy ones as far as enough remain."""
    least, _ = bounds(configuration, desired)
    sick = [task.id for task in old if not task.healthy]
    healthy = [task.id for task in old if task.healthy]
    serving = min(sum(task.healthy for task in new), desired)
    return (*sick, *healthy[: max(0, serving + len(healthy) - least)])
