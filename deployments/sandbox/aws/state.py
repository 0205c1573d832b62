"""What the sandbox's ECS remembers: clusters, task definitions, services with their deployments, tasks."""

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from deployments.sandbox.aws.runtime import Running

Document = dict[str, Any]
"""A JSON object as ECS's API writes it."""

Health = Literal["HEALTHY", "UNHEALTHY", "UNKNOWN"]
TaskStatus = Literal["PENDING", "RUNNING", "DEACTIVATING", "STOPPING", "STOPPED"]


def now() -> datetime:
    """Return the time that ECS writes down."""
    return datetime.now(UTC)


@dataclass
class Cluster:
    """A cluster; nothing but a name for services and tasks."""

    name: str
    arn: str
    settings: Document
    """What CreateCluster was given."""
    tags: list[Document]
    status: str = "ACTIVE"


@dataclass
class TaskDefinition:
    """One registered revision."""

    arn: str
    family: str
    revision: int
    document: Document
    """Everything that RegisterTaskDefinition was given, and what ECS adds to it."""
    tags: list[Document]

    @property
    def status(self) -> str:
        """ACTIVE, INACTIVE or DELETE_IN_PROGRESS."""
        return str(self.document["status"])


@dataclass
class Container:
    """One container of a task."""

    definition: Document
    """Its part of the task definition, the task's overrides merged in."""
    arn: str
    status: str = "PENDING"
    health: Health = "UNKNOWN"
    digest: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    running: Running | None = None

    @property
    def name(self) -> str:
        """The container's name in the task definition."""
        return str(self.definition["name"])

    @property
    def essential(self) -> bool:
        """Whether its end is the end of the task."""
        return bool(self.definition.get("essential", True))

    @property
    def checked(self) -> bool:
        """Whether it has a health check."""
        command = (self.definition.get("healthCheck") or {}).get("command") or ["NONE"]
        return bool(command[0] != "NONE")


@dataclass
class Target:
    """A container port behind a target group."""

    group: str
    """ARN of the target group."""
    container: str


@dataclass
class Task:
    """One task and its containers."""

    id: str
    arn: str
    cluster: str
    """The cluster's name."""
    definition: TaskDefinition
    group: str
    """`service:NAME` or `family:NAME`."""
    started_by: str
    settings: Document
    """Launch type, platform version, network configuration, overrides."""
    containers: list[Container]
    tags: list[Document] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    grace: float = 0.0
    """Seconds during which failed checks of the load balancer do not count."""
    created: datetime = field(default_factory=now)
    times: dict[str, datetime] = field(default_factory=dict)
    """pullStartedAt, pullStoppedAt, startedAt, stoppingAt, stoppedAt."""
    running_since: float | None = None
    """On the monotonic clock."""
    status: TaskStatus = "PENDING"
    desired: Literal["RUNNING", "STOPPED"] = "RUNNING"
    stop_code: str | None = None
    stopped_reason: str | None = None
    judged: bool = False
    """Whether the scheduler has counted its success or failure."""
    was_healthy: bool = False
    announced: bool = False
    """Whether the service has told of its targets."""
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self, reason: str, code: str) -> None:
        """Ask for the end of the task; the first reason stays."""
        if self.desired == "STOPPED":
            return
        self.desired = "STOPPED"
        self.stopped_reason, self.stop_code = reason, code
        self.times["stoppingAt"] = now()
        self.stopping.set()


@dataclass
class Deployment:
    """One task definition on its way into a service, or there."""

    number: str
    task_definition: str
    """ARN."""
    settings: Document
    """What is fixed with it: launch type, platform version, network configuration, load balancers."""
    desired: int
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    status: Literal["PRIMARY", "ACTIVE"] = "PRIMARY"
    rollout_state: Literal["IN_PROGRESS", "COMPLETED", "FAILED"] = "IN_PROGRESS"
    reason: str = ""
    failures: int = 0
    """Tasks that failed one after the other."""
    completed: datetime | None = None
    """When it was last completed; only such a deployment is rolled back to."""
    returning: bool = False
    """Whether it came back by a rollback; the circuit breaker does not judge it again."""

    @property
    def id(self) -> str:
        """The deployment's id in DescribeServices."""
        return f"ecs-svc/{self.number}"


@dataclass
class ServiceDeployment:
    """The story of one UpdateService, as ListServiceDeployments tells it."""

    arn: str
    target: Deployment
    source: Deployment | None
    configuration: Document
    status: str = "IN_PROGRESS"
    reason: str | None = None
    created: datetime = field(default_factory=now)
    finished: datetime | None = None
    stopped: datetime | None = None
    rollback: Document | None = None
    tripped: bool = False
    """Whether the circuit breaker ended it."""


@dataclass
class Service:
    """A service and everything it was."""

    name: str
    arn: str
    cluster: Cluster
    settings: Document
    """What CreateService and UpdateService were given, without what stands in a field of its own."""
    task_definition: str
    desired: int
    configuration: Document
    """The deployment configuration."""
    tags: list[Document]
    created: datetime = field(default_factory=now)
    created_by: str = ""
    status: Literal["ACTIVE", "DRAINING", "INACTIVE"] = "ACTIVE"
    events: list[Document] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    """The primary one first."""
    history: list[Deployment] = field(default_factory=list)
    """All that ever were, newest first."""
    service_deployments: list[ServiceDeployment] = field(default_factory=list)
    """Newest first."""
    steady: bool = False
    stuck: bool = False
    launch_at: float = 0.0
    """On the monotonic clock: no task is started before."""

    @property
    def primary(self) -> Deployment:
        """The deployment that the service moves to."""
        return self.deployments[0]

    def say(self, message: str) -> None:
        """Add a service event; ECS keeps the newest 100."""
        event = {"id": str(uuid.uuid4()), "createdAt": now(), "message": f"(service {self.name}) {message}"}
        self.events.insert(0, event)
        del self.events[100:]


@dataclass
class Region:
    """ECS of one account in one region; whoever reads or changes it holds `lock`."""

    account: str
    name: str
    start: Callable[["Region", Task], None]
    """Brings a task to life, in a thread of its own."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    families: dict[str, list[TaskDefinition]] = field(default_factory=dict)
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    """By names of cluster and service; also INACTIVE ones."""
    tasks: dict[str, Task] = field(default_factory=dict)
    """By id."""
    tokens: dict[str, tuple[Document, list[Task]]] = field(default_factory=dict)
    """Each clientToken of RunTask with its request and its tasks."""

    def arn(self, resource: str) -> str:
        """Return the ARN of `resource`, for example `cluster/test`."""
        return f"arn:aws:ecs:{self.name}:{self.account}:{resource}"

    def tasks_of(self, service: Service) -> list[Task]:
        """Return the tasks that `service` started, stopped ones included."""
        group = f"service:{service.name}"
        return [task for task in self.tasks.values() if task.group == group and task.cluster == service.cluster.name]

    def definition(self, arn: str) -> TaskDefinition:
        """Return the definition with this ARN."""
        family, revision = arn.rsplit("/", 1)[1].rsplit(":", 1)
        return self.families[family][int(revision) - 1]


def deployment_number() -> str:
    """Return the number of a new deployment: 19 digits, as ECS gives them."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def monotonic() -> float:
    """Return the clock that waits are measured on, in seconds."""
    return time.monotonic()
