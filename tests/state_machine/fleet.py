"""A simulated Amazon ECS with one service: the answers of the API's own calls, and a scheduler that moves a step at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.state_machine.processes import Fault, read

ARN = "arn:aws:ecs:us-east-2:1:task-definition/tsk-api:"
STALE = 3
"""Steps of the scheduler for which an old answer may still be given."""


@dataclass
class Task:
    """One task of the service."""

    number: int
    definition: str
    deployment: str
    status: str = "PENDING"
    """PENDING, RUNNING, STOPPING or STOPPED; ECS calls STOPPING a desired status."""
    steps: int = 0
    """Steps until it is STOPPED."""
    reason: str = ""

    def stop(self, steps: int) -> None:
        """Begin to stop."""
        if self.status not in {"STOPPING", "STOPPED"}:
            self.status, self.steps = "STOPPING", steps

    def answer(self) -> dict[str, Any]:
        """Return what DescribeTasks says."""
        crashed = bool(self.reason)
        return {
            "taskArn": f"arn:aws:ecs:us-east-2:1:task/ecs/{self.number}",
            "taskDefinitionArn": self.definition,
            "startedBy": self.deployment,
            "lastStatus": "RUNNING" if self.status == "STOPPING" else self.status,
            "desiredStatus": "STOPPED" if self.status in {"STOPPING", "STOPPED"} else "RUNNING",
            "stoppedReason": self.reason,
            "containers": [],
            **({"stopCode": "EssentialContainerExited"} if crashed else {}),
        }


@dataclass
class Deployment:
    """One deployment of the service."""

    id: str
    definition: str
    rollout: str = "IN_PROGRESS"
    status: str = "PRIMARY"
    failed: int = 0


@dataclass
class Fleet:
    """The service, its tasks and its definitions, as a boto3 client of ECS sees them."""

    behaviour: Callable[[str], str]
    """How the image in a definition behaves: good, sick, crashes or hangs."""
    lingers: int
    """Steps that a task takes to stop."""
    changing: Callable[[], Fault]
    """Asked before each change what becomes of it."""
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    steps: int = 0
    started: int = 0
    """Deployments that were started."""
    before: tuple[int, dict[str, Any]] = (-STALE, {})
    """When the service changed last, and what DescribeServices said until then."""

    def begin(self, image: str) -> None:
        """Run a first release, complete."""
        arn = self.define({"family": "tsk-api", "containerDefinitions": [{"name": "api", "image": image}], "tags": []})
        self.deployments = [Deployment("ecs-svc/0", arn, "COMPLETED")]
        self.tasks = [Task(0, arn, "ecs-svc/0", "RUNNING")]

    @property
    def primary(self) -> Deployment:
        """The deployment that the service moves to or is at."""
        return next(one for one in self.deployments if one.status == "PRIMARY")

    @property
    def in_service(self) -> list[Task]:
        """The tasks that the load balancer asks."""
        return [task for task in self.tasks if task.status == "RUNNING"]

    @property
    def at_rest(self) -> bool:
        """Whether no further step changes anything."""
        left = [task for task in self.tasks if task.status != "STOPPED"]
        return self.primary.rollout == "COMPLETED" and all(task.status == "RUNNING" for task in left)

    def not_stopped(self, definition: str) -> list[Task]:
        """Return the tasks of a definition that are not yet STOPPED."""
        return [task for task in self.tasks if task.definition == definition and task.status != "STOPPED"]

    def image(self, definition: str) -> str:
        """Return the image of a definition."""
        return str(self.definitions[definition]["taskDefinition"]["containerDefinitions"][0]["image"])

    def define(self, request: dict[str, Any]) -> str:
        """Register a definition and return its ARN."""
        arn = f"{ARN}{len(self.definitions) + 1}"
        described = {name: value for name, value in request.items() if name != "tags"}
        self.definitions[arn] = {
            "taskDefinition": {**described, "taskDefinitionArn": arn, "status": "ACTIVE"},
            "tags": request["tags"],
        }
        return arn

    def step(self) -> None:
        """Let time pass: tasks stop and start, a deployment completes, or its circuit breaker goes back."""
        self.steps += 1
        for task in self.tasks:
            if task.status == "STOPPING":
                task.steps -= 1
                task.status = "STOPPED" if task.steps <= 0 else "STOPPING"
        if self.primary.rollout == "IN_PROGRESS":
            self._move(self.primary)

    def _move(self, primary: Deployment) -> None:
        mine = [task for task in self.tasks if task.deployment == primary.id and task.status in {"PENDING", "RUNNING"}]
        behaviour = self.behaviour(primary.definition)
        if not mine:
            self.tasks.append(Task(len(self.tasks), primary.definition, primary.id))
        elif mine[0].status == "PENDING" and behaviour == "crashes":
            mine[0].status, mine[0].reason = "STOPPED", "Essential container in task exited"
            primary.failed += 1
            if primary.failed == 3:
                primary.rollout = "FAILED"
                self._go_back(primary)
        elif mine[0].status == "PENDING" and behaviour != "hangs":
            mine[0].status = "RUNNING"
        elif mine[0].status == "RUNNING":
            self._complete(primary)

    def _complete(self, primary: Deployment) -> None:
        primary.rollout = "COMPLETED"
        for task in self.tasks:
            if task.deployment != primary.id:
                task.stop(self.lingers)
        self.deployments = [primary]

    def _go_back(self, failed: Deployment) -> None:
        """Make the newest deployment that had completed PRIMARY again; without one the service stays where it is."""
        old = next((one for one in reversed(self.deployments) if one.rollout == "COMPLETED"), None)
        if old is None:
            return
        failed.status = "ACTIVE"
        old.status, old.rollout = "PRIMARY", "IN_PROGRESS"
        for task in self.tasks:
            if task.deployment == failed.id:
                task.stop(self.lingers)

    def describe_services(self, **_: object) -> dict[str, Any]:
        """Answer as ECS does; a stale answer is the one before the last change."""
        fault = read()
        refuse(fault)
        since, then = self.before
        stale = fault is Fault.STALE and self.steps - since < STALE
        return {"services": [then if stale else self._service()]}

    def describe_task_definition(self, *, taskDefinition: str, **_: object) -> dict[str, Any]:  # noqa: N803 - ECS's own name
        """Answer as ECS does."""
        refuse(read())
        return copy.deepcopy(self.definitions[taskDefinition])

    def list_task_definitions(self, **_: object) -> dict[str, Any]:
        """Answer as ECS does, the newest first."""
        refuse(read())
        return {"taskDefinitionArns": list(reversed(self.definitions))}

    def register_task_definition(self, **request: object) -> dict[str, Any]:
        """Register as ECS does."""
        fault = self.changing()
        refuse(fault)
        arn = self.define(request)
        lose(fault)
        return {"taskDefinition": {"taskDefinitionArn": arn}}

    def update_service(self, *, taskDefinition: str, **_: object) -> dict[str, Any]:  # noqa: N803 - ECS's own name
        """Start a deployment as ECS does."""
        fault = self.changing()
        refuse(fault)
        self.before = (self.steps, self._service())
        self.primary.status = "ACTIVE"
        self.started += 1
        self.deployments.append(Deployment(f"ecs-svc/{self.started}", taskDefinition))
        lose(fault)
        return {"service": self._service()}

    def list_service_deployments(self, **_: object) -> dict[str, Any]:
        """Answer as ECS does: at most one is live."""
        refuse(read())
        live = self.primary.rollout == "IN_PROGRESS" and self.primary.failed < 3
        return {"serviceDeployments": [{"serviceDeploymentArn": self.primary.id}] if live else []}

    def stop_service_deployment(self, *, serviceDeploymentArn: str, **_: object) -> dict[str, Any]:  # noqa: N803 - ECS's own name
        """Go back as ECS does."""
        fault = self.changing()
        refuse(fault)
        if self.primary.id != serviceDeploymentArn or self.primary.rollout != "IN_PROGRESS":
            raise refusal("ConflictException")
        self.before = (self.steps, self._service())
        self._go_back(self.primary)
        lose(fault)
        return {}

    def describe_tasks(self, *, tasks: list[str], **_: object) -> dict[str, Any]:
        """Answer as ECS does."""
        refuse(read())
        return {"tasks": [answer for task in self.tasks if (answer := task.answer())["taskArn"] in tasks]}

    def get_paginator(self, _: str) -> Fleet:
        """Return what lists the tasks."""
        return self

    def paginate(self, *, desiredStatus: str, **_: object) -> Iterator[dict[str, Any]]:  # noqa: N803 - ECS's own name
        """List the tasks as ECS does, by their desired status."""
        refuse(read())
        answers = [task.answer() for task in self.tasks]
        yield {"taskArns": [one["taskArn"] for one in answers if one["desiredStatus"] == desiredStatus]}

    def _service(self) -> dict[str, Any]:
        return {
            "serviceName": "svc-api",
            "status": "ACTIVE",
            "desiredCount": 1,
            "taskDefinition": self.primary.definition,
            "deployments": [self._deployment(one) for one in self.deployments],
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        }

    def _deployment(self, one: Deployment) -> dict[str, Any]:
        running = [task for task in self.in_service if task.deployment == one.id]
        return {
            "id": one.id,
            "status": one.status,
            "taskDefinition": one.definition,
            "rolloutState": one.rollout,
            "desiredCount": 1,
            "runningCount": len(running),
            "failedTasks": one.failed,
            "createdAt": datetime.fromtimestamp(0, UTC),
        }


def refuse(fault: Fault) -> None:
    """Raise what ECS answers to a call that it does not carry out."""
    if fault is Fault.FAILS:
        raise refusal("ThrottlingException")
    if fault is Fault.BREAKS:
        raise refusal("AccessDeniedException")


def lose(fault: Fault) -> None:
    """Raise what is seen of a call whose answer does not arrive."""
    if fault is Fault.LOST:
        raise ReadTimeoutError(endpoint_url="https://ecs.example")


def refusal(code: str) -> ClientError:
    """Return an error as ECS answers it."""
    return ClientError({"Error": {"Code": code, "Message": "simulated"}}, "simulated")
