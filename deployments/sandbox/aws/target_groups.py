"""Reads listeners and target groups where boto3 created them: in moto's Elastic Load Balancing."""

from dataclasses import dataclass
from typing import Any, cast

from moto.elbv2.models import ELBv2Backend, elbv2_backends

from deployments.sandbox.aws.timing import TimeScale

START = 3
"""Times as long as ECS gives it may a target take until it listens: to come up is real work, and a small machine takes its time."""


@dataclass(frozen=True)
class TargetCheck:
    """How a target group looks after its targets, in seconds of this machine."""

    protocol: str
    """HTTP, or TCP where a connection is enough."""
    path: str
    codes: str
    """The status codes that are healthy: `200`, `200,302`, `200-399`."""
    interval: float
    timeout: float
    healthy_after: int
    unhealthy_after: int
    patience: float
    """How long a target may take until it listens."""
    deregistration_delay: float
    """The longest time that a draining target may go on with requests it has."""

    def accepts(self, status: int) -> bool:
        """Return whether an answer with this status code is healthy."""
        ranges = [part.partition("-") for part in self.codes.split(",")]
        return any(int(low) <= status <= int(high or low) for low, _, high in ranges)


def target_check(arn: str, scale: TimeScale) -> TargetCheck:
    """Return how the target group `arn` checks; raise KeyError if there is none."""
    group = _backend_of(arn).target_groups[arn]
    interval, unhealthy_after = int(group.health_check_interval_seconds), int(group.unhealthy_threshold_count)
    return TargetCheck(
        protocol=str(group.health_check_protocol),
        path=str(group.health_check_path or "/"),
        codes=str((getattr(group, "matcher", None) or {}).get("HttpCode") or "200"),
        interval=scale.wait(interval),
        timeout=scale.limit(float(group.health_check_timeout_seconds)),
        healthy_after=int(group.healthy_threshold_count),
        unhealthy_after=unhealthy_after,
        patience=float(START * interval * unhealthy_after),
        deregistration_delay=scale.wait(float(str(group.attributes["deregistration_delay.timeout_seconds"]))),
    )


def exists(arn: str) -> bool:
    """Return whether there is a target group with this ARN."""
    return arn.count(":") >= 5 and arn in _backend_of(arn).target_groups


def listeners() -> dict[int, str]:
    """Return each port that a listener waits on, with the target group that it forwards to."""
    found: dict[int, str] = {}
    for _, _, backend in list(elbv2_backends.iter_backends()):
        for balancer in list(cast("ELBv2Backend", backend).load_balancers.values()):
            for listener in list(balancer.listeners.values()):
                group = _forwards_to(listener.default_actions)
                if group is not None:
                    found[int(listener.port)] = group
    return found


def _forwards_to(actions: list[Any]) -> str | None:
    for action in actions:
        if action.data.get("TargetGroupArn"):
            return str(action.data["TargetGroupArn"])
        for group in (action.data.get("ForwardConfig") or {}).get("TargetGroups") or []:
            return str(group["TargetGroupArn"])
    return None


def _backend_of(arn: str) -> ELBv2Backend:
    _, _, _, region, account, _ = arn.split(":", 5)
    return elbv2_backends[account][region]
