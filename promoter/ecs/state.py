"""What ECS says of a service and its tasks, as frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from promoter.text import printable

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import DeploymentTypeDef, ServiceTypeDef, TaskTypeDef

EPOCH = datetime.fromtimestamp(0, UTC)
PLACEMENT = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "placementConstraints",
    "placementStrategy",
)
"""What DescribeServices says of a service and RunTask takes under the same name."""


@dataclass(frozen=True)
class Event:
    """One line of the service's own diary."""

    id: str
    at: datetime
    message: str


@dataclass(frozen=True)
class Deployment:
    """One deployment of the service."""

    id: str
    """`ecs-svc/…`; a deployment that ECS goes back to keeps its id."""
    status: str
    """PRIMARY, ACTIVE or INACTIVE."""
    task_definition: str
    """ARN."""
    rollout_state: str | None
    """IN_PROGRESS, COMPLETED or FAILED; None behind a Classic Load Balancer, where ECS does not tell."""
    reason: str
    desired: int
    running: int
    pending: int
    failed: int
    created_at: datetime = EPOCH

    @property
    def counts(self) -> str:
        """How many tasks run of how many, for people."""
        return f"{self.running} of {self.desired} running, {self.pending} pending, {self.failed} failed"


@dataclass(frozen=True)
class ServiceState:
    """What DescribeServices answered."""

    name: str
    status: str
    """ACTIVE, DRAINING or INACTIVE."""
    desired_count: int
    task_definition: str
    """ARN of the definition that the PRIMARY deployment runs."""
    deployments: tuple[Deployment, ...]
    controller: str
    """ECS, CODE_DEPLOY or EXTERNAL."""
    strategy: str
    """ROLLING, BLUE_GREEN, LINEAR or CANARY."""
    breaker: bool
    """Whether the deployment circuit breaker is on."""
    breaker_rolls_back: bool
    events: tuple[Event, ...]
    """Oldest first; ECS keeps the last 100."""
    placement: Mapping[str, Any] = field(default_factory=dict)
    """Where its tasks run, in the words of RunTask: network, launch type or capacity providers."""

    @property
    def primary(self) -> Deployment | None:
        """The deployment that the service moves to or is at."""
        return next((one for one in self.deployments if one.status == "PRIMARY"), None)

    def deployment(self, identity: str | None) -> Deployment | None:
        """Return the deployment with this id, None if ECS does not know it any more."""
        return next((one for one in self.deployments if one.id == identity), None)


@dataclass(frozen=True)
class ContainerState:
    """One container of a task."""

    name: str
    exit_code: int | None
    """None where the container did not run or ECS lost it."""
    reason: str


@dataclass(frozen=True)
class TaskState:
    """One task."""

    arn: str
    definition: str
    """ARN of its task definition."""
    deployment: str
    """`startedBy`: the id of the deployment that started it, or what RunTask was told; empty where it was told nothing."""
    last_status: str
    desired_status: str
    stop_code: str | None
    stopped_reason: str
    containers: tuple[ContainerState, ...]
    created_at: datetime = EPOCH

    @property
    def id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]


def service_state(answer: "ServiceTypeDef") -> ServiceState:
    """Read one service of DescribeServices' answer."""
    configuration: Any = answer.get("deploymentConfiguration", {})
    breaker = configuration.get("deploymentCircuitBreaker", {})
    events = [
        Event(one["id"], one.get("createdAt", EPOCH), printable(one.get("message", ""), 400))
        for one in reversed(answer.get("events", []))
    ]
    return ServiceState(
        name=answer["serviceName"],
        status=answer.get("status", "INACTIVE"),
        desired_count=answer.get("desiredCount", 0),
        task_definition=answer.get("taskDefinition", ""),
        deployments=tuple(_deployment(one) for one in answer.get("deployments", [])),
        controller=answer.get("deploymentController", {}).get("type", "ECS"),
        strategy=configuration.get("strategy", "ROLLING"),
        breaker=breaker.get("enable", False),
        breaker_rolls_back=breaker.get("rollback", False),
        events=tuple(sorted(events, key=lambda event: event.at)),
        placement=_placement(answer),
    )


def task_state(answer: "TaskTypeDef") -> TaskState:
    """Read one task of DescribeTasks' answer."""
    return TaskState(
        arn=answer["taskArn"],
        definition=answer.get("taskDefinitionArn", ""),
        deployment=answer.get("startedBy", ""),
        last_status=answer.get("lastStatus", ""),
        desired_status=answer.get("desiredStatus", ""),
        stop_code=answer.get("stopCode"),
        stopped_reason=printable(answer.get("stoppedReason", ""), 400),
        containers=tuple(
            ContainerState(one.get("name", ""), one.get("exitCode"), printable(one.get("reason", ""), 400))
            for one in answer.get("containers", [])
        ),
        created_at=answer.get("createdAt", EPOCH),
    )


def _placement(answer: "ServiceTypeDef") -> dict[str, Any]:
    """Return what `answer` has of PLACEMENT; a launch type and capacity providers exclude one another."""
    told: Any = answer
    found = {name: told[name] for name in PLACEMENT if told.get(name)}
    return {
        name: value for name, value in found.items() if name != "launchType" or "capacityProviderStrategy" not in found
    }


def _deployment(answer: "DeploymentTypeDef") -> Deployment:
    return Deployment(
        id=answer["id"],
        status=answer["status"],
        task_definition=answer["taskDefinition"],
        rollout_state=answer.get("rolloutState"),
        reason=printable(answer.get("rolloutStateReason", ""), 400),
        desired=answer.get("desiredCount", 0),
        running=answer.get("runningCount", 0),
        pending=answer.get("pendingCount", 0),
        failed=answer.get("failedTasks", 0),
        created_at=answer.get("createdAt", EPOCH),
    )
